"""The DAGs folder in S3."""

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from publish_dags.ports import SourceChangedError, SourceFile, SourceListing
from shared.errors import AwsCallError, named_errors

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_BLOCK_BYTES = 1024 * 1024


class NoSuchVersionError(AwsCallError):
    """The version was removed for good."""


class S3DagSource:
    def __init__(self, client: "S3Client", bucket: str, prefix: str) -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = prefix

    def list(self) -> SourceListing:
        files: list[SourceFile] = []
        changes: dict[str, datetime] = {}
        with named_errors("list the DAGs folder"):
            pages = self._client.get_paginator("list_object_versions").paginate(
                Bucket=self._bucket, Prefix=self._prefix
            )
            for page in pages:
                for version in page.get("Versions", []):
                    changes[version["VersionId"]] = version["LastModified"]
                    path = version["Key"].removeprefix(self._prefix)
                    if version["IsLatest"] and not _is_ignored(path):
                        files.append(SourceFile(path, version["Key"], version["VersionId"]))
                for deletion in page.get("DeleteMarkers", []):
                    changes[deletion["VersionId"]] = deletion["LastModified"]
        return SourceListing(files, changes)

    def read(self, file: SourceFile) -> Iterator[bytes]:
        gone = {"NoSuchVersion": NoSuchVersionError, "NoSuchKey": NoSuchVersionError}
        try:
            with named_errors(f"read {file.path}", gone):
                response = self._client.get_object(
                    Bucket=self._bucket, Key=file.key, VersionId=file.version_id
                )
                yield from response["Body"].iter_chunks(_BLOCK_BYTES)
        except NoSuchVersionError as error:
            raise SourceChangedError(str(error)) from error


def _is_ignored(path: str) -> bool:
    # Folders made in the console are empty objects; bytecode belongs to the machine it was made on.
    return path == "" or path.endswith("/") or "__pycache__" in path.split("/")
