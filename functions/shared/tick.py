"""The tick: an event by which a function calls itself again at a given time."""

from dataclasses import dataclass

from shared.settings import Environment

TICK_EVENT = {"source": "tick"}


@dataclass(frozen=True)
class TickTarget:
    """Which schedule calls which function, with which role."""

    schedule_name: str
    group_name: str
    function_arn: str
    role_arn: str


@dataclass(frozen=True)
class TickSettings:
    """The tick's settings in a function's environment."""

    schedule_name: str
    group_name: str
    role_arn: str

    @classmethod
    def from_environment(cls, environment: Environment) -> "TickSettings":
        return cls(
            schedule_name=environment.text("TICK_SCHEDULE_NAME"),
            group_name=environment.text("TICK_SCHEDULE_GROUP_NAME"),
            role_arn=environment.text("TICK_ROLE_ARN"),
        )

    def calling(self, function_arn: str) -> TickTarget:
        return TickTarget(self.schedule_name, self.group_name, function_arn, self.role_arn)
