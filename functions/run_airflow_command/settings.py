"""The function's settings."""

from collections.abc import Mapping
from dataclasses import dataclass

from shared.fargate import TaskPlacement
from shared.settings import Environment
from shared.tick import TickSettings


@dataclass(frozen=True)
class RunAirflowCommandSettings:
    placement: TaskPlacement
    task_definition_arn: str
    rotation_task_role_arn: str
    state_bucket_name: str
    log_group_name: str
    tick: TickSettings
    database_retention_days: int

    @classmethod
    def from_environment(cls, values: Mapping[str, str]) -> "RunAirflowCommandSettings":
        environment = Environment(values)
        return cls(
            placement=TaskPlacement.from_environment(environment),
            task_definition_arn=environment.text("COMMAND_TASK_DEFINITION_ARN"),
            rotation_task_role_arn=environment.text("ROTATION_TASK_ROLE_ARN"),
            state_bucket_name=environment.text("STATE_BUCKET_NAME"),
            log_group_name=environment.text("COMMAND_LOG_GROUP_NAME"),
            tick=TickSettings.from_environment(environment),
            database_retention_days=environment.whole_number("DATABASE_RETENTION_DAYS"),
        )
