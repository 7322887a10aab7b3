"""The numbers of messages in Valkey, which the scheduler counts for the scaler."""

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from contracts.wake_up import QUEUE_COUNTS_KEY, QueueCounts
from scale_workers.ports import QueueDepth
from shared.aws.named_errors import named_errors
from shared.errors import AwsCallError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class NoCountsError(AwsCallError):
    """No scheduler has counted yet."""


class S3QueueCounts:
    def __init__(
        self, client: "S3Client", bucket: str, queue: str, now: Callable[[], datetime]
    ) -> None:
        self._client = client
        self._bucket = bucket
        self._queue = queue
        self._now = now

    def depth(self) -> QueueDepth:
        """Missing, unreadable or old counts are zero: a wake-up names the messages that it sends.

        Old counts say nothing. They would start workers again and again for messages that are gone.
        """
        try:
            with named_errors("read the counts of the queues", {"NoSuchKey": NoCountsError}):
                response = self._client.get_object(Bucket=self._bucket, Key=QUEUE_COUNTS_KEY)
                counts = QueueCounts.from_bytes(response["Body"].read())
        except (NoCountsError, ValueError):
            return QueueDepth(0, 0, 0)
        count = counts.of_queue(self._queue, self._now().timestamp())
        return QueueDepth(visible=count.waiting, in_flight=count.held, delayed=0)
