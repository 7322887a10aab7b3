"""Commands in the state bucket.

- `commands/<request id>.json` is the record.
- `commands/<request id>.answered` marks it as answered and contains how it ended.
- `commands/open/<request id>` exists while its task may run; the sweep lists these.
- `commands/locks/<name>` contains the id of the command that holds the lock.

The function needs s3:ListBucket: without it S3 answers 403 instead of 404.
"""

import contextlib
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from run_airflow_command.commands.record import CommandRecord
from run_airflow_command.ports import Outcome
from shared.aws.named_errors import named_errors
from shared.errors import AwsCallError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class NoSuchCommandError(AwsCallError):
    """The object does not exist."""


class ExistsError(AwsCallError):
    """Another call has written the object."""


# 409: another call is writing it at this moment.
_TAKEN: Final = {"PreconditionFailed": ExistsError, "ConditionalRequestConflict": ExistsError}
_MISSING: Final = {"NoSuchKey": NoSuchCommandError}
_OPEN_PREFIX: Final = "commands/open/"


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
        data = self._read(_record_key(request_id), "read the command")
        return CommandRecord.from_bytes(data) if data is not None else None

    def is_completed(self, request_id: str) -> bool:
        return self._exists(_mark_key(request_id), "look whether the command is completed")

    def complete(self, request_id: str, outcome: Outcome) -> bool:
        body = {
            "exit_code": outcome.exit_code,
            "reason": outcome.reason,
            "log_tail": list(outcome.log_tail),
        }
        try:
            with named_errors("mark the command as completed", _TAKEN):
                self._client.put_object(
                    Bucket=self._bucket,
                    Key=_mark_key(request_id),
                    Body=json.dumps(body).encode(),
                    IfNoneMatch="*",
                )
        except ExistsError:
            return False
        return True

    def outcome(self, request_id: str) -> Outcome | None:
        data = self._read(_mark_key(request_id), "read how the command ended")
        if data is None:
            return None
        document = json.loads(data)
        return Outcome(document["exit_code"], document["reason"], document.get("log_tail", ()))

    def open(self, request_id: str) -> None:
        with named_errors("record the command as running"):
            self._client.put_object(Bucket=self._bucket, Key=_OPEN_PREFIX + request_id, Body=b"")

    def is_open(self, request_id: str) -> bool:
        return self._exists(_OPEN_PREFIX + request_id, "look whether the command runs")

    def close(self, request_id: str) -> None:
        with named_errors("record the command as ended"):
            self._client.delete_object(Bucket=self._bucket, Key=_OPEN_PREFIX + request_id)

    def open_ids(self) -> Sequence[str]:
        with named_errors("list the running commands"):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=_OPEN_PREFIX
            )
            keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
        return [key.removeprefix(_OPEN_PREFIX) for key in keys]

    def take_lock(self, name: str, request_id: str) -> str | None:
        try:
            with named_errors("take the lock", _TAKEN):
                self._client.put_object(
                    Bucket=self._bucket,
                    Key=_lock_key(name),
                    Body=request_id.encode(),
                    IfNoneMatch="*",
                )
        except ExistsError:
            holder, _ = self._holder(name)
            return None if holder == request_id else holder or "that has just ended"
        return None

    def release_lock(self, name: str, request_id: str) -> None:
        holder, etag = self._holder(name)
        if holder != request_id:
            return
        # The ETag is that of the holder's id: if another command has taken the lock, it stays.
        with (
            contextlib.suppress(ExistsError, NoSuchCommandError),
            named_errors("release the lock", {**_TAKEN, **_MISSING}),
        ):
            self._client.delete_object(Bucket=self._bucket, Key=_lock_key(name), IfMatch=etag)

    def _holder(self, name: str) -> tuple[str | None, str]:
        try:
            with named_errors("read the lock", _MISSING):
                response = self._client.get_object(Bucket=self._bucket, Key=_lock_key(name))
                return response["Body"].read().decode(), response["ETag"]
        except NoSuchCommandError:
            return None, ""

    def _read(self, key: str, action: str) -> bytes | None:
        try:
            with named_errors(action, _MISSING):
                return self._client.get_object(Bucket=self._bucket, Key=key)["Body"].read()
        except NoSuchCommandError:
            return None

    def _exists(self, key: str, action: str) -> bool:
        try:
            # The answer to a HEAD request has no body with an error code.
            with named_errors(action, {"404": NoSuchCommandError}):
                self._client.head_object(Bucket=self._bucket, Key=key)
        except NoSuchCommandError:
            return False
        return True


def _record_key(request_id: str) -> str:
    return f"commands/{request_id}.json"


def _mark_key(request_id: str) -> str:
    return f"commands/{request_id}.answered"


def _lock_key(name: str) -> str:
    return f"commands/locks/{name}"
