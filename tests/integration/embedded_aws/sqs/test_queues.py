"""The name of a queue belongs to one queue."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from ..stack_driver import StackDriver, deploy


def queue(name: str, timeout: int = 30) -> dict[str, Any]:
    properties = {"QueueName": name, "VisibilityTimeout": timeout}
    return {"Type": "AWS::SQS::Queue", "Properties": properties}


def test_queue_is_refused_under_the_name_of_another_stacks_queue(stacks: StackDriver) -> None:
    owner = deploy(stacks, {"Queue": queue("taken")}, Url={"Ref": "Queue"})
    sqs = stacks.aws.client("sqs")
    sqs.send_message(QueueUrl=owner.outputs["Url"], MessageBody="kept")

    other = stacks.create({"Resources": {"Queue": queue("taken", timeout=60)}})

    assert other.status == "ROLLBACK_COMPLETE"
    assert "QueueNameExists" in stacks.failures(other)["Queue"]
    received = sqs.receive_message(QueueUrl=owner.outputs["Url"])["Messages"]
    assert [message["Body"] for message in received] == ["kept"]
    assert stacks.delete(owner).status == "DELETE_COMPLETE"


def test_create_queue_refuses_other_attributes_for_an_existing_name(stacks: StackDriver) -> None:
    sqs = stacks.aws.client("sqs")
    attributes = {"VisibilityTimeout": "30"}
    url = sqs.create_queue(QueueName="mine", Attributes=attributes)["QueueUrl"]

    assert sqs.create_queue(QueueName="mine", Attributes=attributes)["QueueUrl"] == url
    with pytest.raises(ClientError, match="same name and a different value") as refusal:
        sqs.create_queue(QueueName="mine", Attributes={"VisibilityTimeout": "60"})
    assert refusal.value.response["Error"]["Code"] in ("QueueAlreadyExists", "QueueNameExists")
