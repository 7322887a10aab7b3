"""The time that AWS has."""

from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

from shared.aws.named_errors import named_errors


class AnswerClock:
    """The time in the header of an answer of S3."""

    def __init__(self, s3: Any, bucket: str) -> None:
        self._s3 = s3
        self._bucket = bucket

    def of_aws(self) -> datetime:
        with named_errors("ask S3 for the time"):
            answer = self._s3.list_objects_v2(Bucket=self._bucket, MaxKeys=1)
        return parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
