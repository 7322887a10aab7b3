"""Releases in S3: manifests, archives, the pointer and its history, the report of a refusal."""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from contracts.release_manifest import (
    Archive,
    ReleaseFormatError,
    ReleaseManifest,
    ReleasePointer,
    archive_key,
    manifest_key,
    pointer_key,
)
from contracts.release_pack import Pack, PackFormatError, pack
from contracts.release_reports import (
    EnvironmentReport,
    ExclusionReport,
    ImportErrorReport,
    environment_key,
    exclusions_key,
    import_errors_key,
)
from publish_dags.ports import (
    ConcurrentReleaseError,
    CurrentPointer,
    NoSuchReleaseError,
    StoredRelease,
)
from shared.aws.named_errors import named_errors
from shared.errors import AwsCallError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import ObjectVersionTypeDef

# S3 answers 412 when the condition is not met, 409 when another write is in progress, and 404 when
# the pointer to replace does not exist any more.
_PRECONDITION_FAILED = "PreconditionFailed"
_CONFLICT = "ConditionalRequestConflict"

_SUFFIX = ".gz"


class NoSuchObjectError(AwsCallError):
    """The object does not exist."""


class ObjectExistsError(AwsCallError):
    """The object exists."""


class WriteConflictError(AwsCallError):
    """Another call is writing the object, or has written it."""


class S3ReleaseStore:
    def __init__(self, client: "S3Client", bucket: str, prefix: str) -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = prefix

    def pointer(self) -> CurrentPointer | None:
        try:
            body, mark = self._get(pointer_key(self._prefix))
        except NoSuchObjectError:
            return None
        return CurrentPointer(ReleasePointer.from_bytes(body), mark)

    def release(self, release: str) -> StoredRelease:
        try:
            body, _ = self._get(manifest_key(self._prefix, release))
            contents = Pack(body)
            manifest = ReleaseManifest.from_document(contents.header)
            return StoredRelease(manifest, dict(contents.blobs()))
        except (NoSuchObjectError, ReleaseFormatError, PackFormatError) as error:
            raise NoSuchReleaseError(f"Release {release} cannot be read: {error}") from error

    def archive(self, archive: Archive) -> Iterator[tuple[str, bytes]]:
        try:
            body, _ = self._get(archive_key(self._prefix, archive.name))
            yield from Pack(body).blobs()
        except (NoSuchObjectError, PackFormatError) as error:
            raise NoSuchReleaseError(f"Archive {archive.name} cannot be read: {error}") from error

    def add_archive(self, name: str, blobs: Mapping[str, bytes]) -> None:
        self._add(archive_key(self._prefix, name), pack({"schema": 1}, blobs))

    def add(self, release: StoredRelease) -> None:
        name = release.manifest.release
        if exclusions := release.manifest.exclusions:
            report = ExclusionReport(name, exclusions)
            self._add(exclusions_key(self._prefix, name), report.to_bytes())
        key = manifest_key(self._prefix, name)
        self._add(key, pack(release.manifest.as_document(), release.delta))

    def _add(self, key: str, body: bytes) -> None:
        names = {_PRECONDITION_FAILED: ObjectExistsError, _CONFLICT: WriteConflictError}
        try:
            with named_errors(f"store {key}", names):
                self._client.put_object(Bucket=self._bucket, Key=key, Body=body, IfNoneMatch="*")
        except ObjectExistsError:
            # The name contains the content's hash: the same content, stored in the same second.
            return
        except WriteConflictError as error:
            raise ConcurrentReleaseError(str(error)) from error

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

    def pointers(self, count: int) -> Iterator[ReleasePointer]:
        """The bucket is versioned, so the pointer's versions are the history."""
        for version in self._versions(count):
            yield self._pointer_version(version)

    def kept(self) -> frozenset[str]:
        return frozenset(self._stored(f"{self._prefix}2"))

    def environment(self) -> frozenset[str] | None:
        try:
            body, _ = self._get(environment_key(self._prefix))
            return EnvironmentReport.from_bytes(body).packages
        except (NoSuchObjectError, ReleaseFormatError):
            return None

    def import_errors(self, release: str) -> ImportErrorReport | None:
        """Airflow's last report about a release; None if there is none, or it cannot be read."""
        try:
            body, _ = self._get(import_errors_key(self._prefix, release))
            return ImportErrorReport.from_bytes(body)
        except (NoSuchObjectError, ReleaseFormatError):
            return None

    def _versions(self, count: int) -> list["ObjectVersionTypeDef"]:
        """The versions of the pointer, the newest first."""
        with named_errors("list the pointer's versions"):
            listed = self._client.list_object_versions(
                Bucket=self._bucket, Prefix=pointer_key(self._prefix), MaxKeys=min(count, 1000)
            )
        return listed.get("Versions", [])[:count]

    def _pointer_version(self, version: "ObjectVersionTypeDef") -> ReleasePointer:
        body, _ = self._get(pointer_key(self._prefix), VersionId=version["VersionId"])
        return ReleasePointer.from_bytes(body)

    def _stored(self, prefix: str) -> dict[str, datetime]:
        """Releases, or archives, by name."""
        found = {}
        with named_errors("list releases"):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=prefix
            )
            for page in pages:
                for entry in page.get("Contents", []):
                    name = entry["Key"].rpartition("/")[2]
                    if name.endswith(_SUFFIX):
                        found[name.removesuffix(_SUFFIX)] = entry["LastModified"]
        return found

    def refused_folder(self) -> str | None:
        try:
            body, _ = self._get(self._refusal_key)
        except NoSuchObjectError:
            return None
        return str(json.loads(body).get("folder", ""))

    def report_refusal(self, report: Mapping[str, Any]) -> None:
        with named_errors("report the refusal"):
            self._client.put_object(
                Bucket=self._bucket,
                Key=self._refusal_key,
                Body=json.dumps(report, indent=2).encode(),
                ContentType="application/json",
            )

    def clear_refusal(self) -> None:
        with named_errors("clear the refusal"):
            self._client.delete_object(Bucket=self._bucket, Key=self._refusal_key)

    @property
    def _refusal_key(self) -> str:
        return f"{self._prefix}refused.json"

    def _get(self, key: str, **arguments: Any) -> tuple[bytes, str]:
        with named_errors(f"read {key}", {"NoSuchKey": NoSuchObjectError}):
            response = self._client.get_object(Bucket=self._bucket, Key=key, **arguments)
            return response["Body"].read(), response["ETag"]
