"""What the doctor looks at in AWS. Each method may raise AwsCallError."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True)
class ServiceState:
    """An ECS service. `rollout` is that of its newest deployment."""

    name: str
    desired: int
    running: int
    rollout: str = "COMPLETED"
    rollout_reason: str = ""
    task_definition: str = ""


@dataclass(frozen=True)
class TaskState:
    """A task that runs or starts."""

    family: str
    status: str
    health: str
    vcpu: float


@dataclass(frozen=True)
class DefinitionState:
    """What a task definition says about its roles, and what its containers need of them."""

    family: str
    task_role_arn: str
    execution_role_arn: str
    secret_arns: tuple[str, ...]
    log_groups: tuple[str, ...]
    containers: tuple[str, ...]
    image: str


class Containers(Protocol):
    def services(self) -> Sequence[ServiceState]: ...

    def tasks(self) -> Sequence[TaskState]: ...

    def definition(self, name: str) -> DefinitionState | None:
        """A task definition by ARN or family; None if there is none."""


class Permissions(Protocol):
    def denied(self, role_arn: str, actions: Sequence[str], resource: str) -> Sequence[str]:
        """Which of the actions the role's policies do not allow. Nothing is called."""


@dataclass(frozen=True)
class DatabaseState:
    status: str
    certificate_until: datetime | None
    backup_days: int


class Databases(Protocol):
    def instance(self) -> DatabaseState | None:
        """None if it does not exist."""


@dataclass(frozen=True)
class SchemaAnswer:
    """What a command answered; the exit code is None while it runs."""

    exit_code: int | None
    reason: str
    refused: bool = False


class Schema(Protocol):
    def check(self, seconds: float) -> SchemaAnswer:
        """Run Airflow's own check of the schema as a task, and wait for its end so long."""


@dataclass(frozen=True)
class QueueState:
    name: str
    exists: bool
    waiting: int = 0
    running: int = 0
    # None with Valkey, where the image sets it.
    visibility_seconds: int | None = 0
    dead_letters: int = 0


class Queues(Protocol):
    def state(self, name: str) -> QueueState: ...


@dataclass(frozen=True)
class FleetMemory:
    """What the scaler remembers about a fleet."""

    paused: bool = False
    deaths: tuple[datetime, ...] = ()


@dataclass(frozen=True)
class Pause:
    """Services that are at 0 for a schema change, and since when."""

    services: int
    since: datetime


class State(Protocol):
    """The state bucket."""

    def fleet(self, queue: str) -> FleetMemory: ...

    def pause(self) -> Pause | None: ...


@dataclass(frozen=True)
class ReleaseState:
    """The current release. `reported_at` is the last sign of the dag-processor."""

    release: str | None
    reported_at: datetime | None = None
    import_errors: int = 0
    first_error: str = ""
    exclusions: int = 0


class Releases(Protocol):
    def current(self) -> ReleaseState: ...


class Quotas(Protocol):
    def fargate_vcpu(self) -> float: ...

    def lambda_concurrency(self) -> int: ...


class Networks(Protocol):
    def free_addresses(self) -> Mapping[str, int]:
        """By subnet of the tasks."""


@dataclass(frozen=True)
class ImageState:
    pushed_at: datetime


class Images(Protocol):
    def is_known(self, uri: str) -> bool:
        """Whether the image is in a registry of ECR, the only ones that can be asked."""

    def image(self, uri: str) -> ImageState | None:
        """None if the registry does not have it."""


@dataclass(frozen=True)
class SecretState:
    name: str
    changed_at: datetime | None
    deleted_at: datetime | None = None
    exists: bool = True


class Secrets(Protocol):
    def all(self) -> Sequence[SecretState]: ...


@dataclass(frozen=True)
class CertificateState:
    status: str
    until: datetime | None
    renewed_by_aws: bool


class Certificates(Protocol):
    def certificate(self) -> CertificateState: ...


class Alarms(Protocol):
    def ringing(self) -> Mapping[str, str]:
        """Name → description of each alarm of the stack that is in ALARM."""


class Clock(Protocol):
    def of_aws(self) -> datetime: ...


class Stacks(Protocol):
    def status(self) -> str: ...
