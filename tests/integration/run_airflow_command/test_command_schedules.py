"""nested/commands.yaml with the real function: the weekly cleaning and the group of the tick."""

import json
from pathlib import Path

from tests.integration.embedded_aws.stack_driver import Stack
from tests.integration.run_airflow_command.conftest import Harness

TEMPLATE = Path(__file__).parents[3] / "nested" / "commands.yaml"
ACCOUNT = "arn:aws:{}:us-east-1:000000000000:"
SECRET = ACCOUNT.format("secretsmanager") + "secret:schedules-jwt"
FUNCTION = ACCOUNT.format("lambda") + "function:schedules-run-airflow-command"
ROLE = "arn:aws:iam::000000000000:role/schedules-command"


def template(harness: Harness) -> str:
    """The template after `sam package`: the function's bundle in a bucket."""
    text, folder = TEMPLATE.read_text(), "Code: ../functions/"
    assert text.count(folder) == 1
    return text.replace(folder, f"Code: {json.dumps(harness.code)}")


def parameters(harness: Harness, history_days: str = "365") -> dict[str, str]:
    return {
        "RootStackName": "schedules",
        "TaskSubnetIds": "subnet-1,subnet-2",
        "DatabaseClientGroupId": "sg-1",
        "AssignPublicIp": "DISABLED",
        "StateBucketName": harness.outputs["State"],
        "CommandTaskDefinitionArn": harness.outputs["Good"],
        "CommandTaskRoleArn": ROLE,
        "CommandExecutionRoleArn": f"{ROLE}-start",
        "CommandLogGroupName": harness.outputs["CommandLogGroup"],
        "RotatedSecretArns": f"{SECRET},{SECRET}-2",
        "NotificationTopicArn": ACCOUNT.format("sns") + "notifications",
        "HistoryDays": history_days,
        "Options": "",
        "KmsKeyArn": "",
        "LogDays": "14",
    }


def retention_days(harness: Harness) -> str:
    """The days of history that the deployed function keeps."""
    found = harness.client("lambda").get_function_configuration(FunctionName=FUNCTION)
    return str(found["Environment"]["Variables"]["DATABASE_RETENTION_DAYS"])


def tick_role_arn(harness: Harness, stack: Stack) -> str:
    name = harness.stacks.physical_id(stack, "TickRole")
    return str(harness.client("iam").get_role(RoleName=name)["Role"]["Arn"])


def test_database_is_cleaned_weekly_of_what_is_older_than_the_days_given(harness: Harness) -> None:
    stacks, scheduler = harness.stacks, harness.client("scheduler")

    stack = stacks.create(template(harness), **parameters(harness))
    assert stack.status == "CREATE_COMPLETE", stacks.failures(stack)
    group = stacks.physical_id(stack, "ScheduleGroup")
    (found,) = scheduler.list_schedules(GroupName=group)["Schedules"]
    schedule = scheduler.get_schedule(GroupName=group, Name=found["Name"])
    assert schedule["ScheduleExpression"] == "cron(0 3 ? * SUN *)"
    assert schedule["Target"]["Arn"] == FUNCTION
    assert schedule["Target"]["RoleArn"] == tick_role_arn(harness, stack)
    assert json.loads(schedule["Target"]["Input"]) == {"maintenance": "db-clean"}
    assert retention_days(harness) == "365"

    stack = stacks.update(stack, template(harness), **parameters(harness, history_days="90"))
    assert stack.status == "UPDATE_COMPLETE", stacks.failures(stack)
    assert retention_days(harness) == "90"
    (after,) = scheduler.list_schedules(GroupName=group)["Schedules"]
    assert after["Name"] == found["Name"]

    assert stacks.delete(stack).status == "DELETE_COMPLETE"
    assert scheduler.list_schedules(GroupName=group)["Schedules"] == []


def test_tick_is_deleted_with_its_group_when_the_stack_is_deleted(harness: Harness) -> None:
    stacks, scheduler = harness.stacks, harness.client("scheduler")
    stack = stacks.create(template(harness), **parameters(harness))
    assert stack.status == "CREATE_COMPLETE", stacks.failures(stack)
    group = stacks.physical_id(stack, "ScheduleGroup")
    scheduler.create_schedule(
        Name="tick", GroupName=group, ScheduleExpression="at(2099-01-01T00:00:00)",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={"Arn": FUNCTION, "RoleArn": tick_role_arn(harness, stack)},
    )  # fmt: skip

    assert stacks.delete(stack).status == "DELETE_COMPLETE"

    assert "tick" not in {each["Name"] for each in scheduler.list_schedules()["Schedules"]}
