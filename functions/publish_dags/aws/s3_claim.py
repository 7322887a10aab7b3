"""A claim in S3: one publisher at a time collects a burst, the others leave it to that one.

A claim only saves work. Releases are safe with any number of publishers, because the pointer is
written conditionally. So a claim may end early, or be taken over from a publisher that was killed.
"""

import uuid
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from publish_dags.aws.s3_release_store import (
    NoSuchObjectError,
    ObjectExistsError,
    WriteConflictError,
)
from shared.aws.named_errors import named_errors
from shared.errors import AwsCallError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# Longer than a publisher takes to wait for quiet and to publish.
CLAIM_LASTS = timedelta(seconds=180)
_FREE = b"free"


class S3Claim:
    def __init__(self, client: "S3Client", bucket: str, release_prefix: str) -> None:
        self._client = client
        self._place: Any = {"Bucket": bucket, "Key": f"{release_prefix}publishing"}
        self._mark: str | None = None

    def take(self) -> bool:
        try:
            with named_errors("look for a claim", {"NoSuchKey": NoSuchObjectError}):
                found = self._client.get_object(**self._place)
        except NoSuchObjectError:
            return self._write(IfNoneMatch="*")
        # Both times are S3's own, so the function's clock does not matter.
        now = parsedate_to_datetime(found["ResponseMetadata"]["HTTPHeaders"]["date"])
        taken = found["Body"].read() != _FREE
        if taken and now - found["LastModified"] < CLAIM_LASTS:
            return False
        return self._write(IfMatch=found["ETag"])

    def free(self) -> None:
        """Free only the own claim: another publisher may have taken it over."""
        if self._mark:
            self._write(_FREE, IfMatch=self._mark)
        self._mark = None

    def _write(self, body: bytes | None = None, **condition: Any) -> bool:
        lost = dict.fromkeys(("ConditionalRequestConflict", "NoSuchKey"), WriteConflictError)
        try:
            with named_errors("write the claim", {"PreconditionFailed": ObjectExistsError, **lost}):
                answer = self._client.put_object(**self._place, Body=body or _token(), **condition)
        except (ObjectExistsError, WriteConflictError):
            return False
        except AwsCallError:
            if body is not None:
                # The claim expires by itself.
                return False
            raise
        self._mark = answer["ETag"]
        return True


def _token() -> bytes:
    """Different each time, so that no two claims have the same ETag."""
    return uuid.uuid4().hex.encode()
