"""The function's settings."""

from collections.abc import Mapping
from dataclasses import dataclass

from contracts.queues import DEFAULT_QUEUE
from scale_workers.model import FleetConfig
from scale_workers.ports import WorkerSize
from shared.fargate import TaskPlacement
from shared.settings import Environment
from shared.tick import TickSettings
from shared.worker_fleets import WorkerFleet, WorkerFleetsError, read_worker_fleets

# As long as a message may be held, and so the longest that a task may run.
_MAX_AGE_SECONDS = 12 * 3600.0


@dataclass(frozen=True)
class FleetSettings:
    """What one fleet is and where its queue is."""

    queue_url: str
    config: FleetConfig
    size: WorkerSize


@dataclass(frozen=True)
class ScaleWorkersSettings:
    placement: TaskPlacement
    task_definition_arn: str
    # By queue, the default's first.
    fleets: Mapping[str, FleetSettings]
    tick: TickSettings
    state_bucket_name: str

    @classmethod
    def from_environment(cls, values: Mapping[str, str]) -> "ScaleWorkersSettings":
        """Raises SettingError, ValueError or WorkerFleetsError for settings that cannot be."""
        environment = Environment(values)
        fleets, problems = read_worker_fleets(
            environment.text("WORKER_QUEUE_NAMES"), environment.text("WORKER_FLEETS")
        )
        if problems:
            raise WorkerFleetsError(" ".join(problems))
        return cls(
            placement=TaskPlacement.from_environment(environment),
            task_definition_arn=environment.text("WORKER_TASK_DEFINITION_ARN"),
            fleets={fleet.queue: _fleet(fleet, environment) for fleet in fleets},
            tick=TickSettings.from_environment(environment),
            state_bucket_name=environment.text("STATE_BUCKET_NAME"),
        )


def _fleet(fleet: WorkerFleet, environment: Environment) -> FleetSettings:
    def number(own: int | None, name: str) -> int:
        return environment.whole_number(name) if own is None else own

    url, prefix = environment.text("QUEUE_URL"), environment.text("QUEUE_NAME_PREFIX")
    if fleet.queue != DEFAULT_QUEUE:
        # In the same account and region, under a name that the template gives.
        place, _, _ = url.rpartition("/")
        url = f"{place}/{prefix}{fleet.queue}"
    config = FleetConfig(
        minimum=number(fleet.min_count, "WORKER_MIN_COUNT"),
        maximum=number(fleet.max_count, "WORKER_MAX_COUNT"),
        concurrency=number(fleet.concurrency, "WORKER_CONCURRENCY"),
        spare_slots=number(fleet.spare_slots, "WORKER_SPARE_SLOTS"),
        spot_share=number(fleet.spot_share, "WORKER_SPOT_SHARE"),
        foresight_budget=number(fleet.ahead_max_count, "WORKER_FORESIGHT_BUDGET"),
        floors=fleet.floors,
        max_age_seconds=_MAX_AGE_SECONDS,
        queue=fleet.queue,
    )
    size = WorkerSize(fleet.cpu, fleet.memory_mib, fleet.concurrency)
    return FleetSettings(url, config, size)
