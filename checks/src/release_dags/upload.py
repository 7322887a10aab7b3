"""Upload a zip file to the inbox, and wait until the publisher has decided on it."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from contracts.dag_bucket import INBOX_PREFIX, origin_of
from contracts.release_manifest import ReleasePointer
from publish_dags.aws.s3_inbox import S3Inbox
from publish_dags.checks.problems import Problem
from publish_dags.ports import Upload
from release_dags.environments import Environment, ReleaseError
from shared.errors import AwsCallError

_PAUSE_SECONDS = 2.0


@dataclass(frozen=True)
class Uploader:
    """Publishes through the inbox of an environment."""

    environment: Environment
    wait_seconds: float = 300.0
    sleep: Callable[[float], None] = time.sleep
    now: Callable[[], float] = time.monotonic

    def publish(self, name: str, data: bytes, origin: Mapping[str, str]) -> ReleasePointer:
        """The pointer that this upload made.

        Raises:
            ReleaseError: the upload was refused, overtaken, or not looked at in time.
        """
        upload = self._put(f"{INBOX_PREFIX}{name}.zip", data, origin)
        deadline = self.now() + self.wait_seconds
        while True:
            pointer = self._decided(upload)
            if pointer is not None:
                return pointer
            if self.now() >= deadline:
                raise ReleaseError(
                    f"{upload.key} was not published within {self.wait_seconds:g} s; the log of "
                    "the function publish-dags says why"
                )
            self.sleep(_PAUSE_SECONDS)

    def _put(self, key: str, data: bytes, origin: Mapping[str, str]) -> Upload:
        said = origin_of(origin)
        if lost := sorted(set(origin) - set(said)):
            raise ReleaseError(f"{lost[0]} cannot be {origin[lost[0]]!r}")
        s3, bucket = self.environment.s3, self.environment.bucket
        try:
            s3.put_object(Bucket=bucket, Key=key, Body=data, Metadata=said)
            # It names the moment, which is what makes an upload different from an equal one before.
            head = s3.head_object(Bucket=bucket, Key=key)
        except (BotoCoreError, ClientError) as error:
            raise ReleaseError(f"{key} cannot be uploaded to {bucket}: {error}") from error
        mark = S3Inbox.mark(key, head["ETag"], head["LastModified"])
        return Upload(key, mark, len(data), head["LastModified"], refused=False)

    def _decided(self, upload: Upload) -> ReleasePointer | None:
        """The pointer if it is this upload's; None if nothing is decided yet."""
        try:
            current = self.environment.releases.pointer()
        except AwsCallError as error:
            raise ReleaseError(f"The current release cannot be read: {error}") from error
        pointer = current.pointer if current else None
        if pointer and pointer.upload == upload.mark and pointer.reason == upload.key:
            return pointer
        if problems := self._refusal(upload):
            raise ReleaseError(f"{upload.key} was refused:\n" + "\n".join(problems))
        if pointer and pointer.hold:
            raise ReleaseError(
                f"{pointer.release} is held by {pointer.by or 'somebody'}: resume first"
            )
        if pointer and (later := _later(pointer, upload)):
            raise ReleaseError(
                f"{upload.key} was not published: {later} came later, and {pointer.release} is live"
            )
        return None

    def _refusal(self, upload: Upload) -> list[str]:
        """The problems of the report beside the zip file, if it is about this upload."""
        s3, bucket = self.environment.s3, self.environment.bucket
        try:
            answer = s3.get_object(Bucket=bucket, Key=f"{upload.key}.refused.json")
            report: Any = json.loads(answer["Body"].read())
        except ClientError as error:
            if error.response["Error"]["Code"] == "NoSuchKey":
                return []
            raise ReleaseError(f"The report of a refusal cannot be read: {error}") from error
        if report.get("upload") != upload.mark:
            return []
        problems = report["problems"]
        return [str(Problem(each["path"], each["reason"], each["line"])) for each in problems]


def _later(pointer: ReleasePointer, upload: Upload) -> str:
    """What the publisher took instead of this upload; empty if it has not seen it."""
    if pointer.upload == upload.mark:
        return pointer.reason
    key, _, moment = (pointer.upload or "  ").rsplit(" ", 2)
    return key if moment > f"{upload.changed_at:%FT%TZ}" else ""
