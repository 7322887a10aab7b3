"""AWS::Scheduler::Schedule with all its properties, and a role that the scheduler may assume.

ministack 1.5.33 drops half of the properties, and looks at no role and no token. As on AWS, a
repeated request to create a schedule, with the token of the first one, gets the same answer: SDKs
repeat a request whose answer was lost.
"""

import contextlib
from typing import Any

from ministack.services import scheduler as stock

from embedded_aws.authorization import services, sessions
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
    for name in ("_create_schedule", "_update_schedule"):
        _check_role(name)
    _answer_repeated_requests()


# Tokens of the requests that created schedules, by ARN.
_tokens: dict[str, str] = {}


def _answer_repeated_requests() -> None:
    create = stock._create_schedule

    def create_once(schedule: str, body: dict[str, Any]) -> Any:
        group, token = body.get("GroupName", "default"), body.get("ClientToken")
        arn = stock._schedule_arn(group, schedule)
        if token and _tokens.get(arn) == token and f"{group}/{schedule}" in stock._schedules:
            return stock._json_resp(200, {"ScheduleArn": arn})
        answer = create(schedule, body)
        if token and answer[0] == 200:
            _tokens[arn] = token
        return answer

    stock._create_schedule = create_once


def _check_role(name: str) -> None:
    put = getattr(stock, name)

    def put_if_trusted(schedule: str, body: dict[str, Any]) -> Any:
        role = (body.get("Target") or {}).get("RoleArn")
        group = body.get("GroupName", "default")
        if role:
            try:
                services.assert_schedule_role(role, stock._schedule_arn(group, schedule))
            except sessions.CannotAssumeRoleError:
                return stock._error(
                    400,
                    "ValidationException",
                    "The execution role you provide must allow AWS EventBridge Scheduler to "
                    "assume the role.",
                )
        return put(schedule, body)

    setattr(stock, name, put_if_trusted)


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
