"""Commands in the state bucket.

`commands/<request id>.json` is the request; `commands/<request id>.answered` marks it as done and
says how it ended. The function needs s3:ListBucket: without it S3 says 403 instead of 404.
"""

import json
from typing import TYPE_CHECKING

from run_airflow_command.command import CommandRecord
from shared.errors import AwsCallError, named_errors

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class NoSuchCommandError(AwsCallError):
    """There is no such object."""


class AlreadyCompletedError(AwsCallError):
    """The mark exists."""


class S3CommandStore:
    def __init__(self, client: "S3Client", bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def save(self, record: CommandRecord) -> None:
        with named_errors("store the command"):
            self._client.put_object(
                Bucket=self._bucket, Key=_record_key(record.request_id), Body=record.to_bytes()
            )

    def find(self, request_id: str) -> CommandRecord | None:
        try:
            with named_errors("read the command", {"NoSuchKey": NoSuchCommandError}):
                response = self._client.get_object(Bucket=self._bucket, Key=_record_key(request_id))
                return CommandRecord.from_bytes(response["Body"].read())
        except NoSuchCommandError:
            return None

    def is_completed(self, request_id: str) -> bool:
        try:
            # A HEAD request's answer has no body that could name the error.
            with named_errors("look whether the command is completed", {"404": NoSuchCommandError}):
                self._client.head_object(Bucket=self._bucket, Key=_mark_key(request_id))
        except NoSuchCommandError:
            return False
        return True

    def complete(self, request_id: str, exit_code: int | None, reason: str) -> bool:
        # 409: somebody else is writing the mark at this moment.
        taken = {
            "PreconditionFailed": AlreadyCompletedError,
            "ConditionalRequestConflict": AlreadyCompletedError,
        }
        try:
            with named_errors("mark the command as completed", taken):
                self._client.put_object(
                    Bucket=self._bucket,
                    Key=_mark_key(request_id),
                    Body=json.dumps({"exit_code": exit_code, "reason": reason}).encode(),
                    IfNoneMatch="*",
                )
        except AlreadyCompletedError:
            return False
        return True


def _record_key(request_id: str) -> str:
    return f"commands/{request_id}.json"


def _mark_key(request_id: str) -> str:
    return f"commands/{request_id}.answered"
