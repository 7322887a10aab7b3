"""The function's settings."""

from collections.abc import Mapping
from dataclasses import dataclass

from scale_workers.decision import FleetConfig
from shared.fargate import TaskPlacement
from shared.settings import Environment


@dataclass(frozen=True)
class ScaleWorkersSettings:
    placement: TaskPlacement
    task_definition_arn: str
    queue_url: str
    config: FleetConfig
    tick_schedule_name: str
    tick_schedule_group_name: str
    tick_role_arn: str
    state_bucket_name: str

    @classmethod
    def from_environment(cls, values: Mapping[str, str]) -> "ScaleWorkersSettings":
        environment = Environment(values)
        return cls(
            placement=TaskPlacement.from_environment(environment),
            task_definition_arn=environment.text("WORKER_TASK_DEFINITION_ARN"),
            queue_url=environment.text("QUEUE_URL"),
            config=FleetConfig(
                minimum=environment.whole_number("WORKER_MIN_COUNT"),
                maximum=environment.whole_number("WORKER_MAX_COUNT"),
                concurrency=environment.whole_number("WORKER_CONCURRENCY"),
                spare_slots=environment.whole_number("WORKER_SPARE_SLOTS"),
                spot_share=environment.whole_number("WORKER_SPOT_SHARE"),
                foresight_budget=environment.whole_number("WORKER_FORESIGHT_BUDGET"),
            ),
            tick_schedule_name=environment.text("TICK_SCHEDULE_NAME"),
            tick_schedule_group_name=environment.text("TICK_SCHEDULE_GROUP_NAME"),
            tick_role_arn=environment.text("TICK_ROLE_ARN"),
            state_bucket_name=environment.text("STATE_BUCKET_NAME"),
        )
