"""The fleet's current revision: one S3 object, which every worker reads.

Written by a deployment only. A change of the function's environment does not do: it would come
minutes before the deployment's end and start workers that find themselves not current.
"""

import json
from typing import TYPE_CHECKING

from shared.errors import AwsCallError, named_errors

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_KEY = "fleet/drain.json"


class NeverDeployedError(AwsCallError):
    """There is no such object yet."""


class S3CurrentRevision:
    def __init__(self, client: "S3Client", bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def get(self) -> str | None:
        try:
            with named_errors("read the current revision", {"NoSuchKey": NeverDeployedError}):
                response = self._client.get_object(Bucket=self._bucket, Key=_KEY)
                return str(json.loads(response["Body"].read())["current"])
        except NeverDeployedError:
            return None

    def set(self, revision: str) -> None:
        with named_errors("write the current revision"):
            self._client.put_object(
                Bucket=self._bucket, Key=_KEY, Body=json.dumps({"current": revision}).encode()
            )
