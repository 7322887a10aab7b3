"""The current revision, and who drains besides: one S3 object, which every worker reads.

    {"current": "<family>:<number>", "drain": {"<queue>": ["<task id>", …]}}

The revision is written by a deployment only. A change of the function's environment does not do: it
would come minutes before the deployment's end and start workers that find themselves not current.
"""

import json
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from shared.aws.named_errors import named_errors
from shared.errors import AwsCallError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_KEY = "fleet/drain.json"


class NeverDeployedError(AwsCallError):
    """There is no such object yet."""


class _ChangedMeanwhileError(AwsCallError):
    """Somebody else has written it since it was read."""


class S3CurrentRevision:
    def __init__(self, client: "S3Client", bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def get(self) -> str | None:
        try:
            return str(self._read()[0]["current"])
        except NeverDeployedError:
            return None

    def set(self, revision: str) -> None:
        with named_errors("write the current revision"):
            self._client.put_object(
                Bucket=self._bucket, Key=_KEY, Body=json.dumps({"current": revision}).encode()
            )

    def drain(self, queue: str, task_ids: Sequence[str]) -> None:
        try:
            orders, version = self._read()
        except NeverDeployedError:
            # Where nothing is current, nobody looks whether he is.
            return
        named: dict[str, list[str]] = orders.get("drain", {})
        if named.get(queue, []) == sorted(task_ids):
            return
        orders["drain"] = {**named, queue: sorted(task_ids)}
        # A deployment, or another fleet, writes as well. Who loses names his workers again at his
        # next look.
        codes = ("PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey")
        changed: dict[str, type[AwsCallError]] = dict.fromkeys(codes, _ChangedMeanwhileError)
        with suppress(_ChangedMeanwhileError), named_errors("name workers to drain", changed):
            self._client.put_object(
                Bucket=self._bucket, Key=_KEY, Body=json.dumps(orders).encode(), IfMatch=version
            )

    def _read(self) -> tuple[dict[str, Any], str]:
        with named_errors("read the current revision", {"NoSuchKey": NeverDeployedError}):
            response = self._client.get_object(Bucket=self._bucket, Key=_KEY)
            return json.loads(response["Body"].read()), response.get("ETag", "")
