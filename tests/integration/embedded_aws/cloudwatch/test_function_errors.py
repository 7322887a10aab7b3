"""Contract: a function that dies without a word is seen by the alarm of nested/fleet.yaml."""

from typing import Any

import pytest
import yaml

from ..conftest import REPOSITORY, eventually
from ..stack_driver import EXECUTION_ROLE, StackDriver

HANGING = """
import time


def handler(event, context):
    time.sleep(600)
"""
KILLED = """
import os
import signal


def handler(event, context):
    os.kill(os.getpid(), signal.SIGKILL)
"""
HEALTHY = """
def handler(event, context):
    return {}
"""


class _Loader(yaml.SafeLoader):
    """Reads CloudFormation's short tags as plain values."""


_Loader.add_multi_constructor("!", lambda loader, suffix, node: node.value)


def alarm_of_the_product() -> dict[str, Any]:
    """As the template has it, for another function, without its topic and its name."""
    template = yaml.load((REPOSITORY / "nested" / "fleet.yaml").read_text(), _Loader)
    properties = dict(template["Resources"]["ScaleWorkersErrorsAlarm"]["Properties"])
    for name in ("AlarmName", "AlarmActions"):
        del properties[name]
    return {**properties, "Dimensions": [{"Name": "FunctionName", "Value": {"Ref": "Function"}}]}


@pytest.mark.parametrize(
    ("source", "state"),
    [(HEALTHY, "OK"), (HANGING, "ALARM"), (KILLED, "ALARM")],
    ids=["healthy", "timed out", "killed"],
)
def test_alarm_sees_a_function_that_reports_nothing(
    stacks: StackDriver, source: str, state: str
) -> None:
    stack = stacks.create(
        {
            "Resources": {
                "Role": EXECUTION_ROLE,
                "Function": stacks.function(source, Timeout=2),
                "Alarm": {"Type": "AWS::CloudWatch::Alarm", "Properties": alarm_of_the_product()},
            },
            "Outputs": {"Name": {"Value": {"Ref": "Function"}}},
        }
    )
    assert stack.status == "CREATE_COMPLETE", stacks.failures(stack)
    cloudwatch = stacks.aws.client("cloudwatch")
    alarm = stacks.physical_id(stack, "Alarm")

    def history() -> set[str]:
        found = cloudwatch.describe_alarms(AlarmNames=[alarm])["MetricAlarms"]
        return {str(found[0]["StateValue"])}

    eventually(lambda: history() == {"OK"})
    stacks.aws.client("lambda").invoke(FunctionName=stack.outputs["Name"], Payload=b"{}")
    eventually(lambda: history() == {state})
