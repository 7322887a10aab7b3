"""The DAGs folder in S3."""

from typing import TYPE_CHECKING

from publish_dags.listing import is_no_file, listing_mark
from publish_dags.ports import SourceChangedError, SourceFile, SourceListing
from shared.aws.named_errors import named_errors
from shared.errors import AwsCallError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class ContentGoneError(AwsCallError):
    """The object has changed, or was deleted."""


class S3DagSource:
    def __init__(self, client: "S3Client", bucket: str, prefix: str) -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = prefix

    def list(self) -> SourceListing:
        """One request per thousand files, however many versions they have."""
        files: list[SourceFile] = []
        moments = []
        with named_errors("list the DAGs folder"):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=self._prefix
            )
            for page in pages:
                for entry in page.get("Contents", []):
                    path = entry["Key"].removeprefix(self._prefix)
                    if not is_no_file(path, entry["Size"]):
                        files.append(SourceFile(path, entry["ETag"].strip('"'), entry["Size"]))
                        moments.append(entry["LastModified"])
        changed_at = max(moments, default=None)
        return SourceListing(files, listing_mark(files), changed_at, prefix=self._prefix)

    def read(self, file: SourceFile) -> bytes:
        gone = dict.fromkeys(("PreconditionFailed", "412", "NoSuchKey"), ContentGoneError)
        try:
            with named_errors(f"read {file.path}", gone):
                response = self._client.get_object(
                    Bucket=self._bucket,
                    Key=f"{self._prefix}{file.path}",
                    IfMatch=f'"{file.etag}"',
                )
                data: bytes = response["Body"].read()
        except ContentGoneError as error:
            raise SourceChangedError(str(error)) from error
        return data
