"""Releases in S3, as Airflow reads them: the pointer, manifests and archives. Only reports about
them are written.

Turns the errors of S3 into errors that say what to check. Nothing here touches the local disk.
"""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_on_fargate.contracts.release_manifest import (
    Archive,
    ReleaseFormatError,
    ReleasePointer,
    archive_key,
    manifest_key,
    pointer_key,
)

_READS = 3


class ReleaseUnavailableError(Exception):
    """A release, or its bucket, cannot be read."""


class ReleaseIntegrityError(Exception):
    """The data in S3 is not what was published."""


@dataclass(frozen=True)
class PointerSeen:
    """A pointer and its ETag in S3, with where its release comes from."""

    release: str
    etag: str
    origin: Mapping[str, str] = field(default_factory=dict)


class UnchangedPointer:
    """The pointer has not changed since the last look."""


class S3ReleaseStore:
    """The releases under one prefix of one bucket."""

    def __init__(self, bucket_name: str, prefix: str, client: Any = None) -> None:
        self._bucket = bucket_name
        self.prefix = f"{prefix.strip('/')}/"
        self._client_made = client

    @property
    def _client(self) -> Any:
        # Created at first use: Airflow creates bundle objects also where it needs only their names.
        if self._client_made is None:
            import boto3
            from botocore.config import Config

            self._client_made = boto3.client(
                "s3",
                config=Config(
                    connect_timeout=5,
                    read_timeout=20,
                    retries={"mode": "standard", "max_attempts": 5},
                ),
            )
        return self._client_made

    def pointer(self, etag: str | None = None) -> PointerSeen | UnchangedPointer | None:
        """The current release; None before the first one. One request, usually a 304."""
        key = pointer_key(self.prefix)
        condition = {"IfNoneMatch": etag} if etag else {}
        answer = self._get(key, f"the pointer {key}", allowed=("304", "NoSuchKey"), **condition)
        if isinstance(answer, str):
            return UnchangedPointer() if answer == "304" else None
        try:
            pointer = ReleasePointer.from_bytes(answer["Body"].read())
        except ReleaseFormatError as error:
            place = f"s3://{self._bucket}/{key}"
            raise ReleaseIntegrityError(f"{place} is not a valid pointer: {error}") from error
        return PointerSeen(pointer.release, answer["ETag"], pointer.origin)

    def release_bytes(self, release: str) -> bytes:
        """The pack of a release: its manifest, and the files that are not in its archive."""
        return self._bytes(manifest_key(self.prefix, release), f"release {release}")

    def archive_bytes(self, archive: Archive) -> bytes:
        """The pack with most files of the releases that name it."""
        return self._bytes(archive_key(self.prefix, archive.name), f"archive {archive.name}")

    def report(self, key: str) -> bytes | None:
        """The last report under this key, if any."""
        answer = self._get(key, f"the report {key}", allowed=("NoSuchKey",))
        if isinstance(answer, str):
            return None
        data: bytes = answer["Body"].read()
        return data

    def put_report(self, key: str, data: bytes) -> None:
        self._client.put_object(
            Bucket=self._bucket, Key=key, Body=data, ContentType="application/json"
        )

    def _bytes(self, key: str, what: str) -> bytes:
        from botocore.exceptions import BotoCoreError

        # The SDK retries a request, but not one whose response body breaks off.
        for _ in range(_READS - 1):
            body = self._get(key, what)["Body"]
            with contextlib.suppress(BotoCoreError):
                return bytes(body.read())
        try:
            return bytes(self._get(key, what)["Body"].read())
        except BotoCoreError as error:
            place = f"s3://{self._bucket}/{key}"
            raise ReleaseUnavailableError(f"{place}: {what} was cut off: {error}") from error

    def _get(self, key: str, what: str, allowed: tuple[str, ...] = (), **arguments: Any) -> Any:
        from botocore.exceptions import BotoCoreError, ClientError

        place = f"s3://{self._bucket}/{key}"
        try:
            return self._client.get_object(Bucket=self._bucket, Key=key, **arguments)
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            if code in allowed:
                return code
            if code == "NoSuchBucket":
                reason = f"The DAG bucket {self._bucket!r} does not exist: see DAG_BUCKET_NAME"
            elif code == "AccessDenied":
                reason = f"{place} does not exist, or this task's role must not read it"
            else:
                reason = f"{place}: {what} cannot be read ({code})"
            raise ReleaseUnavailableError(reason) from error
        except BotoCoreError as error:
            raise ReleaseUnavailableError(f"{place}: {what} cannot be read: {error}") from error
