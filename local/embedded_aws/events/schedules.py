"""AWS::Scheduler::Schedule with all its properties; ministack 1.5.33 drops half of them."""

import contextlib

from embedded_aws.cloudformation.engine import (
    Created,
    Properties,
    own_client,
    physical_name,
    register,
)
from embedded_aws.settings import Settings


def install(settings: Settings) -> None:
    _register_schedule(settings)


def _register_schedule(settings: Settings) -> None:
    """The properties of a template are those of CreateSchedule."""

    def create(logical_id: str, properties: Properties, stack_name: str) -> Created:
        name = properties.get("Name") or physical_name(stack_name, logical_id, max_length=64)
        answer = own_client(settings, "scheduler").create_schedule(**{**properties, "Name": name})
        return name, {"Arn": answer["ScheduleArn"]}

    def update(
        name: str, old: Properties, new: Properties, stack_name: str, logical_id: str
    ) -> Created:
        identity = ("Name", "GroupName")
        if any(old.get(part) != new.get(part) for part in identity):
            return create(logical_id, new, stack_name)
        answer = own_client(settings, "scheduler").update_schedule(**{**new, "Name": name})
        return name, {"Arn": answer["ScheduleArn"]}

    def delete(name: str, properties: Properties) -> None:
        scheduler = own_client(settings, "scheduler")
        with contextlib.suppress(scheduler.exceptions.ResourceNotFoundException):
            scheduler.delete_schedule(Name=name, GroupName=properties.get("GroupName", "default"))

    register("AWS::Scheduler::Schedule", create, delete, update)
