"""The function's settings."""

from collections.abc import Mapping
from dataclasses import dataclass

from contracts.metrics.series import EMIT
from contracts.queues import queue_places, queue_url
from scale_workers.model import FleetConfig
from shared.fargate import TaskPlacement
from shared.settings import Environment, SettingError
from shared.tick import TickSettings
from shared.worker_fleets import WorkerFleet, WorkerFleetsError, WorkerSize, read_worker_fleets

# SQS's maximum visibility timeout, and so the longest that a task may run.
_MAX_AGE_SECONDS = 12 * 3600.0

# BROKER where it is not SQS.
VALKEY = "valkey"


@dataclass(frozen=True)
class FleetSettings:
    """One fleet and its queue. `size` is None where the task definition's size applies."""

    # None where the broker is Valkey, whose messages the scheduler counts.
    queue_url: str | None
    config: FleetConfig
    size: WorkerSize | None
    idle_timeout_seconds: int
    # The role of an isolated queue; None for the task definition's.
    task_role_arn: str | None = None


@dataclass(frozen=True)
class ScaleWorkersSettings:
    placement: TaskPlacement
    task_definition_arn: str
    # By queue, the default's first.
    fleets: Mapping[str, FleetSettings]
    tick: TickSettings
    state_bucket_name: str
    # Whether operators may open a shell in a worker.
    ecs_exec: bool
    # Whether the number of workers is a metric at each look.
    emits_metrics: bool
    # Where DAGs start tasks; empty where they may not.
    operator_cluster: str

    @classmethod
    def from_environment(cls, values: Mapping[str, str]) -> "ScaleWorkersSettings":
        """Raises SettingError, ValueError or WorkerFleetsError for settings that cannot be used."""
        environment = Environment(values)
        fleets, problems = read_worker_fleets(
            environment.optional_text("WORKER_QUEUE_NAMES"), environment.text("WORKER_FLEETS")
        )
        if problems:
            raise WorkerFleetsError(" ".join(problems))
        placement = TaskPlacement.from_environment(environment)
        roles = _task_roles(environment, placement)
        return cls(
            placement=placement,
            task_definition_arn=environment.text("WORKER_TASK_DEFINITION_ARN"),
            fleets={
                fleet.queue: _fleet(fleet, roles.get(fleet.queue), environment) for fleet in fleets
            },
            tick=TickSettings.from_environment(environment),
            state_bucket_name=environment.text("STATE_BUCKET_NAME"),
            ecs_exec=environment.optional_text("ECS_EXEC") == "true",
            emits_metrics=environment.optional_text(EMIT) == "true",
            operator_cluster=environment.optional_text("OPERATOR_CLUSTER_NAME"),
        )


def _task_roles(environment: Environment, placement: TaskPlacement) -> dict[str, str]:
    """The roles of the isolated queues by queue; SettingError where one is missing.

    QUEUE_ROLE_NAMES has the places of WORKER_QUEUE_NAMES. It holds names, because eight ARNs would
    not fit into the environment of a function.
    """
    names = environment.optional_text("QUEUE_ROLE_NAMES").split(",")
    roles = {}
    for place, queue in enumerate(queue_places(environment.optional_text("WORKER_QUEUE_NAMES"))):
        if not queue.is_isolated:
            continue
        name = names[place].strip() if place < len(names) else ""
        if not name:
            # The shared role cannot read this queue: its workers would die at their first poll.
            raise SettingError(
                f"The environment variable QUEUE_ROLE_NAMES has no role for {queue.name!r}"
            )
        roles[queue.name] = placement.role_arn(name)
    return roles


def _fleet(
    fleet: WorkerFleet, task_role_arn: str | None, environment: Environment
) -> FleetSettings:
    def number(own: int | None, name: str) -> int:
        return environment.whole_number(name) if own is None else own

    class_size = WorkerSize.from_text(environment.text("WORKER_SIZE"))
    size = fleet.size or class_size
    has_valkey = environment.optional_text("BROKER") == VALKEY
    config = FleetConfig(
        minimum=fleet.min_count,
        maximum=number(fleet.max_count, "WORKER_MAX_COUNT"),
        concurrency=size.slots,
        spare_slots=fleet.spare_slots,
        spot_share=fleet.spot_share,
        foresight_budget=number(fleet.ahead_max_count, "WORKER_AHEAD_MAX_COUNT"),
        floors=fleet.floors,
        max_age_seconds=_MAX_AGE_SECONDS,
        queue=fleet.queue,
    )
    return FleetSettings(
        queue_url=None
        if has_valkey
        else queue_url(environment.text("QUEUE_URL"), environment.text("STACK_NAME"), fleet.queue),
        config=config,
        size=None if size == class_size else size,
        idle_timeout_seconds=fleet.idle_timeout_seconds,
        task_role_arn=task_role_arn,
    )
