"""Contract: rules invoke a function asynchronously, with permission and two retries."""

import json
import uuid
from typing import Any

from ..conftest import eventually
from ..stack_driver import EXECUTION_ROLE, Stack, StackDriver

FAILING = """
def handler(event, context):
    raise RuntimeError("cannot take " + event["detail"]["word"])
"""


def deploy(stacks: StackDriver, source: str, *, permission: bool) -> Stack:
    permitted = {
        "Type": "AWS::Lambda::Permission",
        "Properties": {
            "FunctionName": {"Ref": "Function"},
            "Action": "lambda:InvokeFunction",
            "Principal": "events.amazonaws.com",
            "SourceArn": {"Fn::GetAtt": ["Rule", "Arn"]},
        },
    }
    resources: dict[str, Any] = {
        "Role": EXECUTION_ROLE,
        "LogGroup": {"Type": "AWS::Logs::LogGroup"},
        "Function": stacks.function(FAILING, LoggingConfig={"LogGroup": {"Ref": "LogGroup"}}),
        "Rule": {
            "Type": "AWS::Events::Rule",
            "Properties": {
                "EventPattern": {"source": [source]},
                "Targets": [{"Id": "Function", "Arn": {"Fn::GetAtt": ["Function", "Arn"]}}],
            },
        },
        **({"Permission": permitted} if permission else {}),
    }
    stack = stacks.create(
        {"Resources": resources, "Outputs": {"LogGroup": {"Value": {"Ref": "LogGroup"}}}}
    )
    assert stack.status == "CREATE_COMPLETE", stacks.failures(stack)
    return stack


def send(stacks: StackDriver, source: str) -> None:
    entry = {"Source": source, "DetailType": "test", "Detail": json.dumps({"word": "it"})}
    stacks.aws.client("events").put_events(Entries=[entry])


def test_event_is_retried_twice_when_the_function_fails(stacks: StackDriver) -> None:
    source = f"contract.{uuid.uuid4().hex}"
    stack = deploy(stacks, source, permission=True)

    send(stacks, source)

    def attempts() -> bool:
        lines = stacks.log_lines(stack.outputs["LogGroup"])
        return sum("[ERROR] RuntimeError: cannot take it" in line for line in lines) == 3

    eventually(attempts)


def test_function_is_not_called_when_eventbridge_lacks_permission(stacks: StackDriver) -> None:
    source = f"contract.{uuid.uuid4().hex}"
    stack = deploy(stacks, source, permission=False)

    send(stacks, source)

    log = stacks.aws.state_dir / "emulator.log"
    wanted = f"{stacks.physical_id(stack, 'Function')} has no AWS::Lambda::Permission"
    eventually(lambda: wanted in log.read_text())
    assert stacks.log_lines(stack.outputs["LogGroup"]) == []
