"""EventBridge sends to a queue only when the queue's policy lets the rule."""

import json
from typing import Any

import pytest

from ..conftest import eventually
from ..stack_driver import StackDriver, deploy

QUEUE = {"Fn::GetAtt": ["Queue", "Arn"]}
RULE = {"Fn::GetAtt": ["Rule", "Arn"]}


def resources(source: str, **statement: Any) -> dict[str, Any]:
    allowed = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": QUEUE,
        "Condition": {"ArnEquals": {"aws:SourceArn": RULE}},
        **statement,
    }
    return {
        "Queue": {"Type": "AWS::SQS::Queue"},
        "Policy": {
            "Type": "AWS::SQS::QueuePolicy",
            "Properties": {
                "Queues": [{"Ref": "Queue"}],
                "PolicyDocument": {"Version": "2012-10-17", "Statement": [allowed]},
            },
        },
        "Rule": {
            "Type": "AWS::Events::Rule",
            "Properties": {
                "EventPattern": {"source": [source]},
                "Targets": [{"Id": "queue", "Arn": QUEUE}],
            },
        },
    }


def put_event(stacks: StackDriver, source: str) -> None:
    entry = {"Source": source, "DetailType": "test", "Detail": json.dumps({"number": 1})}
    stacks.aws.client("events").put_events(Entries=[entry])


def received(stacks: StackDriver, url: str, seconds: int) -> list[dict[str, Any]]:
    answer = stacks.aws.client("sqs").receive_message(QueueUrl=url, WaitTimeSeconds=seconds)
    messages: list[dict[str, Any]] = answer.get("Messages", [])
    return messages


def test_event_arrives_when_the_policy_allows_the_rule(stacks: StackDriver) -> None:
    stack = deploy(stacks, resources("allowed"))
    put_event(stacks, "allowed")

    (message,) = received(stacks, stacks.physical_id(stack, "Queue"), 10)
    event = json.loads(message["Body"])
    assert (event["source"], event["detail"]) == ("allowed", {"number": 1})


@pytest.mark.parametrize(
    "statement",
    [
        {"Principal": {"Service": "s3.amazonaws.com"}},
        {"Action": "sqs:ReceiveMessage"},
        {"Condition": {"ArnEquals": {"aws:SourceArn": "arn:aws:events:us-east-1:1:rule/other"}}},
    ],
    ids=["principal", "action", "source"],
)
def test_event_does_not_arrive_when_the_policy_does_not_allow_it(
    stacks: StackDriver, statement: dict[str, Any]
) -> None:
    stack = deploy(stacks, resources("denied", **statement))
    put_event(stacks, "denied")
    log = stacks.aws.state_dir / "emulator.log"
    url = stacks.physical_id(stack, "Queue")
    name = url.rsplit("/", 1)[-1]

    eventually(
        lambda: any(
            "IAM refuses" in line and "sqs:SendMessage" in line and name in line
            for line in log.read_text().splitlines()
        )
    )
    assert received(stacks, url, 0) == []
