"""Contract: S3's conditional reads and writes, and versions, on which DAG releases rely."""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ..conftest import EmbeddedAws


@pytest.fixture
def s3(embedded_aws: EmbeddedAws) -> Any:
    return embedded_aws.client("s3")


@pytest.fixture
def bucket(s3: Any) -> Iterator[str]:
    name = f"writes-{uuid.uuid4().hex[:8]}"
    s3.create_bucket(Bucket=name)
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    yield name


def refused(call: Any, **arguments: Any) -> tuple[str, int]:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    response = caught.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


def test_second_write_is_refused_when_none_may_match(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="release", Body=b"1", IfNoneMatch="*")

    again = refused(s3.put_object, Bucket=bucket, Key="release", Body=b"2", IfNoneMatch="*")

    assert again == ("PreconditionFailed", 412)
    assert s3.get_object(Bucket=bucket, Key="release")["Body"].read() == b"1"


def test_write_is_allowed_when_only_a_delete_marker_is_there(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="release", Body=b"1")
    s3.delete_object(Bucket=bucket, Key="release")

    s3.put_object(Bucket=bucket, Key="release", Body=b"2", IfNoneMatch="*")

    assert s3.get_object(Bucket=bucket, Key="release")["Body"].read() == b"2"


def test_pointer_moves_once_when_two_writers_saw_the_same(s3: Any, bucket: str) -> None:
    seen = s3.put_object(Bucket=bucket, Key="current", Body=b"old")["ETag"]
    s3.put_object(Bucket=bucket, Key="current", Body=b"first", IfMatch=seen)

    second = refused(s3.put_object, Bucket=bucket, Key="current", Body=b"second", IfMatch=seen)

    assert second == ("PreconditionFailed", 412)
    assert s3.get_object(Bucket=bucket, Key="current")["Body"].read() == b"first"


def test_write_is_refused_when_the_object_to_match_is_missing(s3: Any, bucket: str) -> None:
    answer = refused(s3.put_object, Bucket=bucket, Key="none", Body=b"x", IfMatch='"abc"')

    assert answer == ("NoSuchKey", 404)


def test_nothing_is_sent_when_the_reader_has_the_current_object(s3: Any, bucket: str) -> None:
    etag = s3.put_object(Bucket=bucket, Key="current", Body=b"1")["ETag"]

    assert refused(s3.get_object, Bucket=bucket, Key="current", IfNoneMatch=etag)[1] == 304

    s3.put_object(Bucket=bucket, Key="current", Body=b"2")
    assert s3.get_object(Bucket=bucket, Key="current", IfNoneMatch=etag)["Body"].read() == b"2"


def test_old_version_is_readable_when_overwritten_and_deleted(s3: Any, bucket: str) -> None:
    first = s3.put_object(Bucket=bucket, Key="dags/a.py", Body=b"1")["VersionId"]
    second = s3.put_object(Bucket=bucket, Key="dags/a.py", Body=b"2")["VersionId"]
    s3.delete_object(Bucket=bucket, Key="dags/a.py")

    old = s3.get_object(Bucket=bucket, Key="dags/a.py", VersionId=first)

    assert old["Body"].read() == b"1"
    assert refused(s3.get_object, Bucket=bucket, Key="dags/a.py")[0] == "NoSuchKey"
    listed = s3.list_object_versions(Bucket=bucket, Prefix="dags/")
    assert [(v["VersionId"], v["IsLatest"]) for v in listed["Versions"]] == [
        (second, False), (first, False),
    ]  # fmt: skip
    assert [marker["IsLatest"] for marker in listed["DeleteMarkers"]] == [True]


def test_all_versions_are_listed_when_there_are_several_pages(s3: Any, bucket: str) -> None:
    for number in range(5):
        for _version in range(2):
            s3.put_object(Bucket=bucket, Key=f"dags/{number}.py", Body=b"x")

    pages = s3.get_paginator("list_object_versions").paginate(
        Bucket=bucket, Prefix="dags/", PaginationConfig={"PageSize": 3}
    )

    found = [version["VersionId"] for page in pages for version in page.get("Versions", [])]
    assert len(found) == len(set(found)) == 10
