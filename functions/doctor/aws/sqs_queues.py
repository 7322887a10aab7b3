"""The queues of Airflow in SQS, and the one for messages that nobody finishes."""

import json
from typing import TYPE_CHECKING

from contracts.queues import queue_url
from doctor.ports import QueueState
from shared.aws.named_errors import named_errors
from shared.errors import AwsCallError

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


class NoSuchQueueError(AwsCallError):
    """There is no such queue."""


_MISSING: dict[str, type[AwsCallError]] = dict.fromkeys(
    ("AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"), NoSuchQueueError
)


class SqsQueues:
    def __init__(self, client: "SQSClient", default_url: str, stack_name: str) -> None:
        self._client = client
        self._default_url = default_url
        self._stack_name = stack_name

    def state(self, name: str) -> QueueState:
        url = queue_url(self._default_url, self._stack_name, name)
        try:
            attributes = self._attributes(url)
        except NoSuchQueueError:
            return QueueState(name, exists=False)
        return QueueState(
            name=name,
            exists=True,
            waiting=int(attributes["ApproximateNumberOfMessages"]),
            running=int(attributes["ApproximateNumberOfMessagesNotVisible"]),
            visibility_seconds=int(attributes["VisibilityTimeout"]),
            # All queues share it.
            dead_letters=self._dead_letters(url, attributes.get("RedrivePolicy", "")),
        )

    def _dead_letters(self, url: str, policy: str) -> int:
        target = json.loads(policy).get("deadLetterTargetArn", "") if policy else ""
        if not target or url != self._default_url:
            return 0
        place = self._default_url.rpartition("/")[0]
        try:
            attributes = self._attributes(f"{place}/{target.rpartition(':')[2]}")
        except NoSuchQueueError:
            return 0
        return int(attributes["ApproximateNumberOfMessages"])

    def _attributes(self, url: str) -> dict[str, str]:
        with named_errors(f"look at the queue {url.rpartition('/')[2]}", _MISSING):
            answer = self._client.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
        return {str(name): value for name, value in answer["Attributes"].items()}
