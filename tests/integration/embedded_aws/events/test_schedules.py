"""Contract: a one-time schedule invokes its function once and is deleted afterwards."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError

from ..conftest import eventually
from ..roles import create_role
from ..stack_driver import EXECUTION_ROLE, StackDriver

RECORDER = """
import json


def handler(event, context):
    print(json.dumps(event))
"""


def test_schedule_invokes_its_function_with_the_input(stacks: StackDriver) -> None:
    stack = stacks.create(
        {
            "Resources": {
                "Role": EXECUTION_ROLE,
                "LogGroup": {"Type": "AWS::Logs::LogGroup"},
                "Group": {"Type": "AWS::Scheduler::ScheduleGroup"},
                "Recorder": stacks.function(
                    RECORDER, LoggingConfig={"LogGroup": {"Ref": "LogGroup"}}
                ),
            },
            "Outputs": {
                "Arn": {"Value": {"Fn::GetAtt": ["Recorder", "Arn"]}},
                "RoleArn": {"Value": {"Fn::GetAtt": ["Role", "Arn"]}},
                "Group": {"Value": {"Ref": "Group"}},
                "LogGroup": {"Value": {"Ref": "LogGroup"}},
            },
        }
    )
    scheduler = stacks.aws.client("scheduler")
    soon = datetime.now(UTC) + timedelta(seconds=2)
    schedule = {
        "Name": "tick",
        "GroupName": stack.outputs["Group"],
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "ActionAfterCompletion": "DELETE",
        "Target": {
            "Arn": stack.outputs["Arn"],
            "RoleArn": stack.outputs["RoleArn"],
            "Input": json.dumps({"source": "tick"}),
        },
    }
    far = datetime.now(UTC) + timedelta(hours=1)
    scheduler.create_schedule(ScheduleExpression=f"at({far:%Y-%m-%dT%H:%M:%S})", **schedule)

    scheduler.update_schedule(ScheduleExpression=f"at({soon:%Y-%m-%dT%H:%M:%S})", **schedule)

    lines = eventually(lambda: stacks.log_lines(stack.outputs["LogGroup"]))
    assert [json.loads(line) for line in lines] == [{"source": "tick"}]

    def schedule_is_gone() -> bool:
        try:
            scheduler.get_schedule(Name="tick", GroupName=stack.outputs["Group"])
        except ClientError as error:
            return error.response["Error"]["Code"] == "ResourceNotFoundException"
        return False

    eventually(schedule_is_gone)


def test_existing_schedule_is_not_replaced(stacks: StackDriver) -> None:
    scheduler = stacks.aws.client("scheduler")
    schedule = {
        "Name": "twice",
        "ScheduleExpression": "at(2099-01-01T00:00:00)",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "Target": {
            "Arn": "arn:aws:lambda:us-east-1:000000000000:function:x",
            "RoleArn": create_role(stacks.aws, "scheduler.amazonaws.com"),
        },
    }
    scheduler.create_schedule(**schedule)

    with pytest.raises(scheduler.exceptions.ConflictException):
        scheduler.create_schedule(**schedule)


def test_repeated_request_for_a_schedule_gets_the_first_answer(stacks: StackDriver) -> None:
    """As SDKs send it when the answer was lost: with the same token."""
    scheduler = stacks.aws.client("scheduler")
    schedule = {
        "Name": "repeated",
        "ClientToken": "the-first-request",
        "ScheduleExpression": "at(2099-01-01T00:00:00)",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "Target": {
            "Arn": "arn:aws:lambda:us-east-1:000000000000:function:x",
            "RoleArn": create_role(stacks.aws, "scheduler.amazonaws.com"),
        },
    }
    first = scheduler.create_schedule(**schedule)

    assert scheduler.create_schedule(**schedule)["ScheduleArn"] == first["ScheduleArn"]
    with pytest.raises(scheduler.exceptions.ConflictException):
        scheduler.create_schedule(**{**schedule, "ClientToken": "another-request"})


def test_schedule_of_a_template_keeps_all_properties(stacks: StackDriver) -> None:
    schedule = {
        "ScheduleExpression": "cron(0 7 * * ? *)",
        "ScheduleExpressionTimezone": "Europe/Berlin",
        "FlexibleTimeWindow": {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 5},
        "State": "DISABLED",
        "Target": {
            "Arn": "arn:aws:lambda:us-east-1:000000000000:function:x",
            "RoleArn": create_role(stacks.aws, "scheduler.amazonaws.com"),
            "RetryPolicy": {"MaximumRetryAttempts": 1},
        },
    }
    resource = {"Type": "AWS::Scheduler::Schedule", "Properties": schedule}
    stack = stacks.create({"Resources": {"Schedule": resource}})
    assert stack.status == "CREATE_COMPLETE", stacks.failures(stack)
    scheduler, name = stacks.aws.client("scheduler"), stacks.physical_id(stack, "Schedule")

    found = scheduler.get_schedule(Name=name)
    assert {key: found[key] for key in schedule} == schedule

    schedule["State"] = "ENABLED"
    stacks.update(stack, {"Resources": {"Schedule": resource}})
    assert scheduler.get_schedule(Name=name)["State"] == "ENABLED"

    stacks.delete(stack)
    with pytest.raises(scheduler.exceptions.ResourceNotFoundException):
        scheduler.get_schedule(Name=name)
