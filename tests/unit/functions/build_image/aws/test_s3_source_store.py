"""The source of a build in the state bucket."""

from collections.abc import Callable
from pathlib import Path

import pytest
from botocore.stub import ANY, Stubber

from build_image.aws.s3_source_store import S3SourceStore
from shared.errors import AccessDeniedError


@pytest.fixture
def s3(stubbed: Callable[[str], Stubber]) -> Stubber:
    return stubbed("s3")


def test_source_is_stored_under_its_name(s3: Stubber, tmp_path: Path) -> None:
    file = tmp_path / "source.zip"
    file.write_bytes(b"content")
    s3.add_response(
        "put_object", {}, {"Bucket": "bucket", "Key": "image-source/abc.zip", "Body": ANY}
    )

    assert S3SourceStore(s3.client, "bucket").put(file, "abc.zip") == (
        "s3://bucket/image-source/abc.zip"
    )


def test_refusal_has_a_name(s3: Stubber, tmp_path: Path) -> None:
    file = tmp_path / "source.zip"
    file.touch()
    s3.add_client_error("put_object", "AccessDenied", "no")

    with pytest.raises(AccessDeniedError, match="Could not store the source of the image"):
        S3SourceStore(s3.client, "bucket").put(file, "abc.zip")
