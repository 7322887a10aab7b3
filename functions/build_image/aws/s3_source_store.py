"""The source of a build, as an object of the state bucket."""

from pathlib import Path
from typing import Any

from shared.aws.named_errors import named_errors

PREFIX = "image-source/"


class S3SourceStore:
    """See SourceStore in codebuild.builds."""

    def __init__(self, s3: Any, bucket: str) -> None:
        self._s3 = s3
        self._bucket = bucket

    def put(self, archive: Path, name: str) -> str:
        # The name is a digest of the content, so writing it again changes nothing.
        with named_errors("store the source of the image"), archive.open("rb") as content:
            self._s3.put_object(Bucket=self._bucket, Key=f"{PREFIX}{name}", Body=content)
        return f"s3://{self._bucket}/{PREFIX}{name}"
