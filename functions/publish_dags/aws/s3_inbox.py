"""Zip files that users upload to the bucket; the newest one counts."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from contracts.dag_bucket import origin_of
from publish_dags.aws.s3_dag_source import ContentGoneError
from publish_dags.listing import is_upload
from publish_dags.ports import SourceChangedError, Upload, UploadContent
from shared.aws.named_errors import named_errors

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_REPORT_SUFFIX = ".refused.json"


class S3Inbox:
    def __init__(self, client: "S3Client", bucket: str, prefix: str) -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = prefix

    @staticmethod
    def mark(key: str, etag: str, moment: datetime) -> str:
        """With the time: uploading the same zip file again asks to publish it again."""
        return f"{key} {etag.strip(chr(34))} {moment:%FT%TZ}"

    def newest(self) -> Upload | None:
        zips = []
        reports = {}
        with named_errors("list the inbox"):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=self._prefix
            )
            for page in pages:
                for entry in page.get("Contents", []):
                    if is_upload(entry["Key"]):
                        zips.append(entry)
                    elif entry["Key"].endswith(_REPORT_SUFFIX):
                        reports[entry["Key"]] = entry["LastModified"]
        if not zips:
            return None
        newest = max(zips, key=lambda entry: (entry["LastModified"], entry["Key"]))
        reported = reports.get(newest["Key"] + _REPORT_SUFFIX)
        return Upload(
            key=newest["Key"],
            mark=self.mark(newest["Key"], newest["ETag"], newest["LastModified"]),
            size=newest["Size"],
            changed_at=newest["LastModified"],
            refused=reported is not None and reported >= newest["LastModified"],
        )

    def read(self, upload: Upload) -> UploadContent:
        etag = upload.mark.split(" ")[-2]
        gone = dict.fromkeys(("PreconditionFailed", "412", "NoSuchKey"), ContentGoneError)
        try:
            with named_errors(f"read {upload.key}", gone):
                response = self._client.get_object(
                    Bucket=self._bucket, Key=upload.key, IfMatch=f'"{etag}"'
                )
                data: bytes = response["Body"].read()
        except ContentGoneError as error:
            raise SourceChangedError(str(error)) from error
        return UploadContent(data, origin_of(response.get("Metadata", {})))

    def report_refusal(self, upload: Upload, report: Mapping[str, Any]) -> None:
        with named_errors("report the refusal"):
            self._client.put_object(
                Bucket=self._bucket,
                Key=f"{upload.key}{_REPORT_SUFFIX}",
                Body=json.dumps(report, indent=2).encode(),
                ContentType="application/json",
            )
