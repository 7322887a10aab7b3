"""Queues as event sources: batches, the window, the bound, and which mappings Lambda refuses."""

import json
from typing import Any

import pytest

from ..conftest import eventually
from ..stack_driver import EXECUTION_ROLE, Stack, StackDriver, deploy

# Its log says when each batch began and ended, on one clock for all processes.
SOURCE = """
import json, time
def handler(event, context):
    began = time.monotonic()
    bodies = [record["body"] for record in event["Records"]]
    time.sleep(0.5)
    print(json.dumps({"began": began, "ended": time.monotonic(), "bodies": bodies}))
"""
QUEUE = {"Fn::GetAtt": ["Queue", "Arn"]}
READING = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"]


def role(*actions: str) -> dict[str, Any]:
    statements: list[dict[str, Any]] = [{"Effect": "Allow", "Action": "logs:*", "Resource": "*"}]
    if actions:
        statements += [{"Effect": "Allow", "Action": list(actions), "Resource": QUEUE}]
    document = {"Version": "2012-10-17", "Statement": statements}
    properties: Any = EXECUTION_ROLE["Properties"]
    policies = [{"PolicyName": "read", "PolicyDocument": document}]
    return {"Type": "AWS::IAM::Role", "Properties": {**properties, "Policies": policies}}


def resources(stacks: StackDriver, **mapping: Any) -> dict[str, Any]:
    return {
        "Role": role(*READING),
        "Queue": {"Type": "AWS::SQS::Queue", "Properties": {"VisibilityTimeout": 720}},
        "Function": stacks.function(SOURCE),
        "Mapping": {
            "Type": "AWS::Lambda::EventSourceMapping",
            "Properties": {
                "EventSourceArn": QUEUE,
                "FunctionName": {"Ref": "Function"},
                "BatchSize": 100,
                "MaximumBatchingWindowInSeconds": 1,
                "ScalingConfig": {"MaximumConcurrency": 2},
                **mapping,
            },
        },
    }


def send(stacks: StackDriver, stack: Stack, count: int) -> None:
    sqs = stacks.aws.client("sqs")
    for first in range(0, count, 10):
        sqs.send_message_batch(
            QueueUrl=stacks.physical_id(stack, "Queue"),
            Entries=[
                {"Id": str(number), "MessageBody": str(number)}
                for number in range(first, min(first + 10, count))
            ],
        )


def batches(stacks: StackDriver, stack: Stack, messages: int) -> list[dict[str, Any]]:
    group = f"/aws/lambda/{stacks.physical_id(stack, 'Function')}"

    def all_handled() -> list[dict[str, Any]] | None:
        try:
            found = [json.loads(line) for line in stacks.log_lines(group)]
        except stacks.aws.client("logs").exceptions.ResourceNotFoundException:
            return None
        return found if sum(len(each["bodies"]) for each in found) >= messages else None

    found: list[dict[str, Any]] = eventually(all_handled, timeout=60)
    return found


def test_batches_hold_many_messages_and_no_more_than_the_bound_run_at_once(
    stacks: StackDriver,
) -> None:
    stack = deploy(stacks, resources(stacks))
    send(stacks, stack, 500)
    found = batches(stacks, stack, 500)

    assert sorted(int(body) for each in found for body in each["bodies"]) == list(range(500))
    # More than one receive request takes; how many, depends on when they were sent.
    assert 10 < max(len(each["bodies"]) for each in found) <= 100
    assert most_at_once(found) == 2


def most_at_once(found: list[dict[str, Any]]) -> int:
    return max(
        sum(other["began"] <= each["began"] < other["ended"] for other in found) for each in found
    )


def test_messages_of_one_window_arrive_in_one_batch(stacks: StackDriver) -> None:
    stack = deploy(stacks, resources(stacks, MaximumBatchingWindowInSeconds=5))
    send(stacks, stack, 30)

    assert [len(each["bodies"]) for each in batches(stacks, stack, 30)] == [30]


def test_messages_are_gone_when_the_function_has_taken_them(stacks: StackDriver) -> None:
    stack = deploy(stacks, resources(stacks))
    send(stacks, stack, 5)
    batches(stacks, stack, 5)

    def left() -> int:
        attributes = stacks.aws.client("sqs").get_queue_attributes(
            QueueUrl=stacks.physical_id(stack, "Queue"), AttributeNames=["All"]
        )["Attributes"]
        names = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
        return sum(int(attributes[name]) for name in names)

    eventually(lambda: left() == 0)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"Queue": {"Type": "AWS::SQS::Queue", "Properties": {"VisibilityTimeout": 119}}},
         "Queue visibility timeout: 119 seconds is less than Function timeout: 120 seconds"),
        ({"Role": role("sqs:DeleteMessage", "sqs:GetQueueAttributes")},
         "does not have permissions to call ReceiveMessage on SQS"),
        ({"Role": role("sqs:ReceiveMessage", "sqs:GetQueueAttributes")},
         "does not have permissions to call DeleteMessage on SQS"),
    ],
    ids=["visibility", "receive", "delete"],
)  # fmt: skip
def test_mapping_is_refused_as_lambda_refuses_it(
    stacks: StackDriver, changes: dict[str, Any], reason: str
) -> None:
    stack = stacks.create({"Resources": {**resources(stacks), **changes}})

    assert stack.status == "ROLLBACK_COMPLETE"
    assert reason in stacks.failures(stack)["Mapping"]


@pytest.mark.parametrize(
    ("mapping", "reason"),
    [
        ({"MaximumBatchingWindowInSeconds": 0}, "batch window in seconds must be greater than 0"),
        ({"ScalingConfig": {"MaximumConcurrency": 1}}, "greater than or equal to 2"),
        ({"BatchSize": 10001}, "less than or equal to 10000"),
    ],
    ids=["window", "concurrency", "batch"],
)
def test_properties_of_a_mapping_are_within_their_limits(
    stacks: StackDriver, mapping: dict[str, Any], reason: str
) -> None:
    stack = stacks.create({"Resources": resources(stacks, **mapping)})

    assert stack.status == "ROLLBACK_COMPLETE"
    assert reason in stacks.failures(stack)["Mapping"]


def test_second_mapping_of_a_queue_and_a_function_is_refused(stacks: StackDriver) -> None:
    template = resources(stacks)
    stack = stacks.create(
        {"Resources": {**template, "Second": {**template["Mapping"], "DependsOn": "Mapping"}}}
    )

    assert "already exists" in stacks.failures(stack)["Second"]
