"""ECS Task State Change events, as EventBridge rules see them."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from ..conftest import EmbeddedAws, eventually
from ..ecs_tasks import Ecs


class Events:
    """A queue behind a rule, which collects events."""

    def __init__(self, emulator: EmbeddedAws, name: str, pattern: dict[str, Any]) -> None:
        self._sqs = emulator.client("sqs")
        self.url = self._sqs.create_queue(QueueName=name)["QueueUrl"]
        attributes = self._sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=["QueueArn"])
        allowed = {
            "Effect": "Allow",
            "Principal": {"Service": "events.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": attributes["Attributes"]["QueueArn"],
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
        self._sqs.set_queue_attributes(QueueUrl=self.url, Attributes={"Policy": policy})
        rules = emulator.client("events")
        rules.put_rule(Name=name, EventPattern=json.dumps(pattern))
        rules.put_targets(
            Rule=name, Targets=[{"Id": "1", "Arn": attributes["Attributes"]["QueueArn"]}]
        )
        self.received: list[dict[str, Any]] = []

    def until_stopped(self) -> list[dict[str, Any]]:
        def stopped() -> bool:
            answer = self._sqs.receive_message(
                QueueUrl=self.url, MaxNumberOfMessages=10, WaitTimeSeconds=1
            )
            for message in answer.get("Messages", []):
                self.received.append(json.loads(message["Body"]))
                self._sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
            return any(e["detail"]["lastStatus"] == "STOPPED" for e in self.received)

        eventually(stopped)
        return sorted(self.received, key=lambda event: event["detail"]["version"])


@pytest.fixture
def events(ecs: Ecs, embedded_aws: EmbeddedAws) -> Iterator[Events]:
    pattern = {
        "source": ["aws.ecs"],
        "detail-type": ["ECS Task State Change"],
        "detail": {"startedBy": [{"prefix": ecs.name}]},
    }
    yield Events(embedded_aws, ecs.name, pattern)


def test_each_status_of_a_task_is_an_event(ecs: Ecs, events: Events) -> None:
    definition = ecs.register("exit 4")
    arn = ecs.run(definition, startedBy=f"{ecs.name}-request", group="family:x")
    received = events.until_stopped()

    assert [event["detail"]["lastStatus"] for event in received] == [
        "PROVISIONING",
        "PENDING",
        "RUNNING",
        "STOPPED",
    ]
    last = received[-1]
    assert last["resources"] == [arn]
    detail = last["detail"]
    assert detail["taskArn"] == arn
    assert detail["taskDefinitionArn"] == definition
    assert detail["clusterArn"].endswith(f":cluster/{ecs.name}")
    assert detail["group"] == "family:x"
    assert detail["startedBy"] == f"{ecs.name}-request"
    assert detail["desiredStatus"] == "STOPPED"
    assert detail["stopCode"] == "EssentialContainerExited"
    assert detail["stoppedReason"] == "Essential container in task exited"
    assert detail["containers"][0]["name"] == "main"
    assert detail["containers"][0]["exitCode"] == 4


def test_stopped_event_is_sent_when_a_task_cannot_start(ecs: Ecs, events: Events) -> None:
    ecs.run(ecs.register("true", image="local/unknown:1"), startedBy=ecs.name)

    last = events.until_stopped()[-1]["detail"]
    assert last["stopCode"] == "TaskFailedToStart"
    assert "exitCode" not in last["containers"][0]


def test_stopped_event_is_sent_once(ecs: Ecs, events: Events) -> None:
    arn = ecs.run(ecs.register("exec sleep 60"), startedBy=ecs.name)
    ecs.reached(arn, "RUNNING")
    ecs.api.stop_task(cluster=ecs.name, task=arn, reason="enough")

    stopped = [e for e in events.until_stopped() if e["detail"]["lastStatus"] == "STOPPED"]
    assert len(stopped) == 1
    assert stopped[0]["detail"]["stoppedReason"] == "enough"
    assert stopped[0]["detail"]["containers"][0]["exitCode"] == 143
