"""nested/command-schedules.yaml, deployed as it is: the weekly cleaning, the place of the tick."""

import json
from pathlib import Path

from tests.integration.run_airflow_command.conftest import Harness

TEMPLATE = Path(__file__).parents[3] / "nested" / "command-schedules.yaml"
TOPIC = "arn:aws:sns:us-east-1:000000000000:notifications"
FUNCTION = "arn:aws:lambda:us-east-1:000000000000:function:schedules-run-airflow-command"


def test_database_is_cleaned_weekly_until_the_retention_is_none(harness: Harness) -> None:
    stacks, template = harness.stacks, TEMPLATE.read_text()
    scheduler = harness.client("scheduler")

    stack = stacks.create(template, RootStackName="schedules", NotificationTopicArn=TOPIC)
    assert stack.status == "CREATE_COMPLETE", stacks.failures(stack)
    group = stack.outputs["ScheduleGroupName"]
    (found,) = scheduler.list_schedules(GroupName=group)["Schedules"]
    schedule = scheduler.get_schedule(GroupName=group, Name=found["Name"])
    assert schedule["ScheduleExpression"] == "cron(0 3 ? * SUN *)"
    assert schedule["Target"]["Arn"] == FUNCTION
    assert schedule["Target"]["RoleArn"] == stack.outputs["TickRoleArn"]
    assert json.loads(schedule["Target"]["Input"]) == {"maintenance": "db-clean"}

    stack = stacks.update(
        stack, template, RootStackName="schedules", NotificationTopicArn=TOPIC,
        DatabaseRetentionDays="0",
    )  # fmt: skip
    assert stack.status == "UPDATE_COMPLETE", stacks.failures(stack)
    assert scheduler.list_schedules(GroupName=group)["Schedules"] == []


def test_a_tick_goes_with_the_group_when_the_stack_is_deleted(harness: Harness) -> None:
    stacks, scheduler = harness.stacks, harness.client("scheduler")
    stack = stacks.create(
        TEMPLATE.read_text(), RootStackName="schedules", NotificationTopicArn=TOPIC
    )
    group = stack.outputs["ScheduleGroupName"]
    scheduler.create_schedule(
        Name="tick", GroupName=group, ScheduleExpression="at(2099-01-01T00:00:00)",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={"Arn": FUNCTION, "RoleArn": stack.outputs["TickRoleArn"]},
    )  # fmt: skip

    assert stacks.delete(stack).status == "DELETE_COMPLETE"

    assert "tick" not in {each["Name"] for each in scheduler.list_schedules()["Schedules"]}
