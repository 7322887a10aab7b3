"""The current revision and the workers to drain: the drain object (contracts.drain_orders).

Only a deployment writes the revision. The function's environment cannot be used for it: it changes
minutes before the deployment's end, and workers started then would not be current.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from contracts.drain_orders import KEY, DrainOrders
from shared.aws.named_errors import named_errors
from shared.errors import AwsCallError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class NeverDeployedError(AwsCallError):
    """The object does not exist yet."""


class _ChangedMeanwhileError(AwsCallError):
    """Another call has written it since it was read."""


class S3CurrentRevision:
    def __init__(self, client: "S3Client", bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def get(self) -> str | None:
        try:
            return self._read()[0].current
        except NeverDeployedError:
            return None

    def set(self, revision: str) -> None:
        with named_errors("write the current revision"):
            self._client.put_object(
                Bucket=self._bucket, Key=KEY, Body=DrainOrders(revision).to_bytes()
            )

    def drain(self, queue: str, task_ids: Sequence[str]) -> None:
        try:
            orders, version = self._read()
        except NeverDeployedError:
            # Before the first deployment there is nothing to drain.
            return
        if list(orders.drain.get(queue, ())) == sorted(task_ids):
            return
        # A deployment, or another fleet, writes it, too. After a conflict the next check of this
        # fleet names its workers again.
        codes = ("PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey")
        changed: dict[str, type[AwsCallError]] = dict.fromkeys(codes, _ChangedMeanwhileError)
        with suppress(_ChangedMeanwhileError), named_errors("name workers to drain", changed):
            self._client.put_object(
                Bucket=self._bucket,
                Key=KEY,
                Body=orders.naming(queue, task_ids).to_bytes(),
                IfMatch=version,
            )

    def _read(self) -> tuple[DrainOrders, str]:
        with named_errors("read the current revision", {"NoSuchKey": NeverDeployedError}):
            response = self._client.get_object(Bucket=self._bucket, Key=KEY)
            return DrainOrders.from_bytes(response["Body"].read()), response.get("ETag", "")
