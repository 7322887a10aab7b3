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


def test_if_none_match_refuses_a_second_write(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="release", Body=b"1", IfNoneMatch="*")

    again = refused(s3.put_object, Bucket=bucket, Key="release", Body=b"2", IfNoneMatch="*")

    assert again == ("PreconditionFailed", 412)
    assert s3.get_object(Bucket=bucket, Key="release")["Body"].read() == b"1"


def test_if_none_match_allows_a_write_over_a_delete_marker(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="release", Body=b"1")
    s3.delete_object(Bucket=bucket, Key="release")

    s3.put_object(Bucket=bucket, Key="release", Body=b"2", IfNoneMatch="*")

    assert s3.get_object(Bucket=bucket, Key="release")["Body"].read() == b"2"


def test_if_match_lets_one_of_two_writers_succeed(s3: Any, bucket: str) -> None:
    seen = s3.put_object(Bucket=bucket, Key="current", Body=b"old")["ETag"]
    s3.put_object(Bucket=bucket, Key="current", Body=b"first", IfMatch=seen)

    second = refused(s3.put_object, Bucket=bucket, Key="current", Body=b"second", IfMatch=seen)

    assert second == ("PreconditionFailed", 412)
    assert s3.get_object(Bucket=bucket, Key="current")["Body"].read() == b"first"


def test_if_match_refuses_a_write_when_the_object_is_missing(s3: Any, bucket: str) -> None:
    answer = refused(s3.put_object, Bucket=bucket, Key="none", Body=b"x", IfMatch='"abc"')

    assert answer == ("NoSuchKey", 404)


def test_conditional_read_of_the_current_object_returns_no_body(s3: Any, bucket: str) -> None:
    etag = s3.put_object(Bucket=bucket, Key="current", Body=b"1")["ETag"]

    assert refused(s3.get_object, Bucket=bucket, Key="current", IfNoneMatch=etag)[1] == 304

    s3.put_object(Bucket=bucket, Key="current", Body=b"2")
    assert s3.get_object(Bucket=bucket, Key="current", IfNoneMatch=etag)["Body"].read() == b"2"


def test_old_version_stays_readable(s3: Any, bucket: str) -> None:
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


def test_versions_are_listed_over_several_pages(s3: Any, bucket: str) -> None:
    for number in range(5):
        for _version in range(2):
            s3.put_object(Bucket=bucket, Key=f"dags/{number}.py", Body=b"x")

    pages = s3.get_paginator("list_object_versions").paginate(
        Bucket=bucket, Prefix="dags/", PaginationConfig={"PageSize": 3}
    )

    found = [version["VersionId"] for page in pages for version in page.get("Versions", [])]
    assert len(found) == len(set(found)) == 10
