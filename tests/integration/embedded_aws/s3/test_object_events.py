"""Contract: S3 events reach EventBridge; rules on bucket and prefix invoke their function."""

import json
from typing import Any

import pytest

from ..conftest import eventually
from ..stack_driver import EXECUTION_ROLE, Stack, StackDriver

RECORDER = """
import json


def handler(event, context):
    print(json.dumps(event))
"""


@pytest.fixture
def stack(stacks: StackDriver) -> Stack:
    notification = {"EventBridgeConfiguration": {"EventBridgeEnabled": True}}
    bucket = {
        "VersioningConfiguration": {"Status": "Enabled"},
        "NotificationConfiguration": notification,
    }
    pattern = {
        "source": ["aws.s3"],
        "detail-type": ["Object Created", "Object Deleted"],
        "detail": {
            "bucket": {"name": [{"Ref": "Bucket"}]},
            "object": {"key": [{"prefix": "dags/"}]},
        },
    }
    target = {"Id": "Recorder", "Arn": {"Fn::GetAtt": ["Recorder", "Arn"]}}
    made = {
        "Resources": {
            "Role": EXECUTION_ROLE,
            "LogGroup": {"Type": "AWS::Logs::LogGroup"},
            "Recorder": stacks.function(RECORDER, LoggingConfig={"LogGroup": {"Ref": "LogGroup"}}),
            "Bucket": {"Type": "AWS::S3::Bucket", "Properties": bucket},
            "Rule": {
                "Type": "AWS::Events::Rule",
                "Properties": {"EventPattern": pattern, "Targets": [target]},
            },
            "Permission": {
                "Type": "AWS::Lambda::Permission",
                "Properties": {
                    "FunctionName": {"Ref": "Recorder"},
                    "Action": "lambda:InvokeFunction",
                    "Principal": "events.amazonaws.com",
                    "SourceArn": {"Fn::GetAtt": ["Rule", "Arn"]},
                },
            },
        },
        "Outputs": {
            "Bucket": {"Value": {"Ref": "Bucket"}},
            "LogGroup": {"Value": {"Ref": "LogGroup"}},
        },
    }
    stack = stacks.create(made)
    assert stack.status == "CREATE_COMPLETE", stacks.failures(stack)
    return stack


def events(stacks: StackDriver, stack: Stack, count: int) -> list[dict[str, Any]]:
    def found() -> list[dict[str, Any]]:
        lines = stacks.log_lines(stack.outputs["LogGroup"])
        return [json.loads(line) for line in lines] if len(lines) >= count else []

    received: list[dict[str, Any]] = eventually(found)
    return sorted(received, key=lambda event: event["time"])


def test_object_under_the_prefix_invokes_the_function(stacks: StackDriver, stack: Stack) -> None:
    s3 = stacks.aws.client("s3")

    s3.put_object(Bucket=stack.outputs["Bucket"], Key="other/file.py", Body=b"ignored")
    put = s3.put_object(Bucket=stack.outputs["Bucket"], Key="dags/a b.py", Body=b"print()")

    (event,) = events(stacks, stack, 1)
    assert (event["source"], event["detail-type"]) == ("aws.s3", "Object Created")
    assert event["detail"]["bucket"]["name"] == stack.outputs["Bucket"]
    assert event["detail"]["object"]["key"] == "dags/a b.py"
    assert event["detail"]["object"]["size"] == 7
    assert event["detail"]["object"]["version-id"] == put["VersionId"]


def test_deleted_object_invokes_the_function(stacks: StackDriver, stack: Stack) -> None:
    s3 = stacks.aws.client("s3")
    s3.put_object(Bucket=stack.outputs["Bucket"], Key="dags/gone.py", Body=b"x")

    s3.delete_object(Bucket=stack.outputs["Bucket"], Key="dags/gone.py")

    kinds = {event["detail-type"] for event in events(stacks, stack, 2)}
    assert kinds == {"Object Created", "Object Deleted"}
