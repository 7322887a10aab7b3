"""What the fleets need from AWS."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from scale_workers.fleet_state import FleetState, Launch
from scale_workers.foresight import Forecast


@dataclass(frozen=True)
class QueueDepth:
    """The numbers of messages in the queue: approximate, and up to a minute late."""

    visible: int
    in_flight: int
    delayed: int


@dataclass(frozen=True)
class WorkerTask:
    """A worker's task. `started_at` is None until it runs."""

    arn: str
    revision: str
    requested_at: datetime
    started_at: datetime | None
    on_spot: bool = False
    # standing: it fills the minimum or spare slots. outdated: it was started with another size or
    # role than its fleet has. unhealthy: its health check fails.
    standing: bool = False
    outdated: bool = False
    unhealthy: bool = False


@dataclass(frozen=True)
class LaunchResult:
    """The result of a launch. ECS may start some tasks and refuse others."""

    started: Sequence[str]
    failures: Sequence[str]
    # Spot has no capacity for the tasks that are missing.
    spot_refused: bool = False


class WorkQueue(Protocol):
    def depth(self) -> QueueDepth: ...


class WorkerTasks(Protocol):
    """The workers of one fleet."""

    def active(self) -> Sequence[WorkerTask]:
        """The fleet's workers of all revisions, except those that are being stopped."""

    def remaining(self) -> Sequence[str]:
        """The ARNs of all fleets' workers that still exist, including stopping ones, and of the
        tasks that executors and operators have started in the cluster."""

    def launch(self, launch: Launch, revision: str) -> LaunchResult:
        """Start workers. A token that was used before returns the same workers again."""

    def stop(self, task_arn: str, reason: str) -> None: ...


class CurrentRevision(Protocol):
    """Which revision (`family:number`) is current, and which workers must drain.

    Workers read it, too: a worker of another revision, or one that is named, drains.
    """

    def get(self) -> str | None: ...

    def set(self, revision: str) -> None:
        """Also clears the named workers: they are of another revision now."""

    def drain(self, queue: str, task_ids: Sequence[str]) -> None:
        """Name the workers of a fleet that must drain, in place of those named before."""


class StateConflictError(Exception):
    """Another call has stored a state since this one was read."""


class StateStore(Protocol):
    """The stored state of one fleet."""

    def load(self) -> tuple[FleetState, str | None]:
        """The state and its version; an empty state and None if nothing is stored."""

    def save(self, state: FleetState, version: str | None) -> str:
        """Store a state in place of the version that was read; returns the new version.

        Raises StateConflictError if another version has been stored since.
        """


class Forecasts(Protocol):
    """The scheduler's forecast of due runs."""

    def get(self) -> Forecast: ...


class Tick(Protocol):
    """The next call of the function."""

    def ensure(self, moment: datetime) -> None:
        """Make sure that it comes at that time or earlier."""

    def cancel(self) -> None: ...
