"""Releases in S3: manifests, the pointer, and the report of a refusal."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from publish_dags.ports import ConcurrentReleaseError, CurrentRelease
from shared.errors import AwsCallError, named_errors
from shared.release_manifest import (
    ReleaseFormatError,
    ReleaseManifest,
    ReleasePointer,
    manifest_key,
    pointer_key,
)

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# S3 answers 412 when the condition does not hold and 409 when another write is under way; a pointer
# that was to be replaced but is gone is 404.
_PRECONDITION_FAILED = "PreconditionFailed"
_CONFLICT = "ConditionalRequestConflict"


class NoSuchObjectError(AwsCallError):
    """There is no such object."""


class ObjectExistsError(AwsCallError):
    """There is such an object."""


class WriteConflictError(AwsCallError):
    """Somebody else writes, or has written, the object."""


class S3ReleaseStore:
    def __init__(self, client: "S3Client", bucket: str, prefix: str) -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = prefix

    def current(self) -> CurrentRelease | None:
        try:
            body, mark = self._get(pointer_key(self._prefix))
        except NoSuchObjectError:
            return None
        pointer = ReleasePointer.from_bytes(body)
        return CurrentRelease(pointer, mark, self._manifest(pointer.release))

    def _manifest(self, release: str) -> ReleaseManifest | None:
        try:
            body, _ = self._get(manifest_key(self._prefix, release))
            return ReleaseManifest.from_bytes(body)
        except (NoSuchObjectError, ReleaseFormatError):
            # Lost or unreadable: everything is read anew and becomes a release of its own, which is
            # how the folder heals.
            return None

    def add(self, manifest: ReleaseManifest) -> None:
        names = {_PRECONDITION_FAILED: ObjectExistsError, _CONFLICT: WriteConflictError}
        try:
            with named_errors("store the release's manifest", names):
                self._client.put_object(
                    Bucket=self._bucket,
                    Key=manifest_key(self._prefix, manifest.release),
                    Body=manifest.to_bytes(),
                    IfNoneMatch="*",
                )
        except ObjectExistsError:
            # The id holds the content's hash: the same content, stored within the same second.
            return
        except WriteConflictError as error:
            raise ConcurrentReleaseError(str(error)) from error

    def refresh(self, manifest: ReleaseManifest) -> None:
        with named_errors("refresh the release's manifest"):
            self._client.put_object(
                Bucket=self._bucket,
                Key=manifest_key(self._prefix, manifest.release),
                Body=manifest.to_bytes(),
            )

    def point_to(self, pointer: ReleasePointer, mark: str | None) -> None:
        names = dict.fromkeys((_PRECONDITION_FAILED, _CONFLICT, "NoSuchKey"), WriteConflictError)
        condition: Any = {"IfMatch": mark} if mark else {"IfNoneMatch": "*"}
        try:
            with named_errors("move the pointer", names):
                self._client.put_object(
                    Bucket=self._bucket,
                    Key=pointer_key(self._prefix),
                    Body=pointer.to_bytes(),
                    **condition,
                )
        except WriteConflictError as error:
            raise ConcurrentReleaseError(str(error)) from error

    def report_refusal(self, report: Mapping[str, Any]) -> None:
        with named_errors("report the refusal"):
            self._client.put_object(
                Bucket=self._bucket,
                Key=self._refusal_key,
                Body=json.dumps(report, indent=2).encode(),
                ContentType="application/json",
            )

    def clear_refusal(self) -> None:
        """Delete the report if there is one: deleting nothing would leave a delete marker."""
        try:
            with named_errors("look for a refusal", {"404": NoSuchObjectError}):
                self._client.head_object(Bucket=self._bucket, Key=self._refusal_key)
        except NoSuchObjectError:
            return
        with named_errors("clear the refusal"):
            self._client.delete_object(Bucket=self._bucket, Key=self._refusal_key)

    @property
    def _refusal_key(self) -> str:
        return f"{self._prefix}refused.json"

    def _get(self, key: str) -> tuple[bytes, str]:
        with named_errors(f"read {key}", {"NoSuchKey": NoSuchObjectError}):
            response = self._client.get_object(Bucket=self._bucket, Key=key)
            return response["Body"].read(), response["ETag"]
