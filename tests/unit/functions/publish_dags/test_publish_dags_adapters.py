"""The bucket's adapters: what they send to S3 and what they make of the answers."""

import io
import json
from datetime import UTC, datetime

import boto3
import pytest
from botocore.response import StreamingBody
from botocore.stub import Stubber

from publish_dags.ports import ConcurrentReleaseError, SourceChangedError, SourceFile
from publish_dags.s3_dag_source import S3DagSource
from publish_dags.s3_release_store import S3ReleaseStore
from shared.errors import AwsCallError
from shared.release_manifest import ReleaseFile, ReleaseManifest, ReleasePointer

EARLY = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
LATE = datetime(2026, 3, 1, 12, 0, 9, tzinfo=UTC)
RELEASE = "20260301T120000Z-0123456789"
MANIFEST = ReleaseManifest(RELEASE, {"a.py": ReleaseFile("dags/a.py", "1", "a" * 64, 3)})
POINTER = ReleasePointer(RELEASE, "2026-03-01T12:00:00+00:00")
POINTER_PLACE = {"Bucket": "bucket", "Key": "releases/current.json"}
MANIFEST_PLACE = {"Bucket": "bucket", "Key": f"releases/{RELEASE}.json.gz"}
REFUSAL_PLACE = {"Bucket": "bucket", "Key": "releases/refused.json"}


@pytest.fixture
def client():
    return boto3.client("s3", region_name="us-east-1")


@pytest.fixture
def stubber(client):
    with Stubber(client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


@pytest.fixture
def source(client):
    return S3DagSource(client, "bucket", "dags/")


@pytest.fixture
def store(client):
    return S3ReleaseStore(client, "bucket", "releases/")


def body(data):
    return StreamingBody(io.BytesIO(data), len(data))


def version(key, version_id, is_latest=True, moment=EARLY):
    return {"Key": key, "VersionId": version_id, "IsLatest": is_latest, "LastModified": moment}


def test_lists_the_latest_versions_of_all_pages_when_asked(source, stubber):
    stubber.add_response(
        "list_object_versions",
        {
            "IsTruncated": True,
            "NextKeyMarker": "dags/b.py",
            "NextVersionIdMarker": "3",
            "Versions": [version("dags/a.py", "2"), version("dags/a.py", "1", is_latest=False)],
        },
        {"Bucket": "bucket", "Prefix": "dags/"},
    )
    stubber.add_response(
        "list_object_versions",
        {
            "IsTruncated": False,
            "Versions": [version("dags/b.py", "3", is_latest=False), version("dags/c/d.sql", "5")],
            "DeleteMarkers": [version("dags/b.py", "4", moment=LATE)],
        },
        {
            "Bucket": "bucket",
            "Prefix": "dags/",
            "KeyMarker": "dags/b.py",
            "VersionIdMarker": "3",
        },
    )
    listing = source.list()
    assert listing.files == [
        SourceFile("a.py", "dags/a.py", "2"),
        SourceFile("c/d.sql", "dags/c/d.sql", "5"),
    ]
    # The deletion is the last change.
    assert listing.is_superseded("2")
    assert not listing.is_superseded("4")


def test_lists_nothing_when_the_folder_is_empty(source, stubber):
    stubber.add_response("list_object_versions", {"IsTruncated": False})
    assert source.list().files == []


@pytest.mark.parametrize(
    "key", ["dags/", "dags/sub/", "dags/__pycache__/a.cpython-313.pyc", "dags/x/__pycache__/b"]
)
def test_ignores_a_key_when_it_is_a_folder_or_bytecode(source, stubber, key):
    stubber.add_response("list_object_versions", {"Versions": [version(key, "1")]})
    assert source.list().files == []


@pytest.mark.parametrize("key", ["dags/.airflowignore", "dags/not__pycache__.py"])
def test_lists_a_key_when_its_name_only_looks_special(source, stubber, key):
    stubber.add_response("list_object_versions", {"Versions": [version(key, "1")]})
    assert [file.key for file in source.list().files] == [key]


def test_reads_exactly_the_version_when_asked(source, stubber):
    stubber.add_response(
        "get_object",
        {"Body": body(b"x = 1\n")},
        {"Bucket": "bucket", "Key": "dags/a.py", "VersionId": "2"},
    )
    assert b"".join(source.read(SourceFile("a.py", "dags/a.py", "2"))) == b"x = 1\n"


@pytest.mark.parametrize("code", ["NoSuchVersion", "NoSuchKey"])
def test_says_the_source_has_changed_when_the_version_is_gone(source, stubber, code):
    stubber.add_client_error("get_object", code)
    with pytest.raises(SourceChangedError):
        list(source.read(SourceFile("a.py", "dags/a.py", "2")))


def test_raises_with_the_path_when_a_file_cannot_be_read(source, stubber):
    stubber.add_client_error("get_object", "AccessDenied")
    with pytest.raises(AwsCallError, match=r"Could not read a\.py: AccessDenied"):
        list(source.read(SourceFile("a.py", "dags/a.py", "2")))


def test_finds_pointer_mark_and_manifest_when_there_is_a_release(store, stubber):
    stubber.add_response(
        "get_object", {"Body": body(POINTER.to_bytes()), "ETag": '"e1"'}, POINTER_PLACE
    )
    stubber.add_response(
        "get_object", {"Body": body(MANIFEST.to_bytes()), "ETag": '"e2"'}, MANIFEST_PLACE
    )
    current = store.current()
    assert (current.pointer, current.mark, current.manifest) == (POINTER, '"e1"', MANIFEST)


def test_finds_no_release_when_there_is_no_pointer(store, stubber):
    stubber.add_client_error("get_object", "NoSuchKey")
    assert store.current() is None


def test_finds_the_pointer_alone_when_the_manifest_is_lost_or_damaged(store, stubber):
    for _ in range(2):
        stubber.add_response("get_object", {"Body": body(POINTER.to_bytes()), "ETag": '"e1"'})
        if _ == 0:
            stubber.add_client_error("get_object", "NoSuchKey")
        else:
            stubber.add_response("get_object", {"Body": body(b"rubbish"), "ETag": '"e2"'})
        assert store.current().manifest is None


def test_raises_when_the_pointer_cannot_be_read(store, stubber):
    # As S3 says it where s3:ListBucket is missing: not to be taken for "no release yet".
    stubber.add_client_error("get_object", "AccessDenied")
    with pytest.raises(AwsCallError, match="AccessDenied"):
        store.current()


def test_stores_a_manifest_only_when_there_is_none(store, stubber):
    stubber.add_response(
        "put_object", {}, {**MANIFEST_PLACE, "Body": MANIFEST.to_bytes(), "IfNoneMatch": "*"}
    )
    store.add(MANIFEST)


def test_is_content_when_the_same_release_was_stored_within_the_second(store, stubber):
    stubber.add_client_error("put_object", "PreconditionFailed")
    store.add(MANIFEST)


def test_overwrites_a_manifest_when_it_is_refreshed(store, stubber):
    stubber.add_response("put_object", {}, {**MANIFEST_PLACE, "Body": MANIFEST.to_bytes()})
    store.refresh(MANIFEST)


@pytest.mark.parametrize(
    ("mark", "condition"), [('"e1"', {"IfMatch": '"e1"'}), (None, {"IfNoneMatch": "*"})]
)
def test_moves_the_pointer_only_when_it_is_still_the_marked_one(store, stubber, mark, condition):
    stubber.add_response(
        "put_object", {}, {**POINTER_PLACE, "Body": POINTER.to_bytes(), **condition}
    )
    store.point_to(POINTER, mark)


@pytest.mark.parametrize("code", ["PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey"])
def test_says_another_was_faster_when_the_pointer_is_not_the_marked_one(store, stubber, code):
    stubber.add_client_error("put_object", code)
    with pytest.raises(ConcurrentReleaseError):
        store.point_to(POINTER, '"e1"')


def test_says_another_was_faster_when_a_manifest_is_being_written(store, stubber):
    stubber.add_client_error("put_object", "ConditionalRequestConflict")
    with pytest.raises(ConcurrentReleaseError):
        store.add(MANIFEST)


def test_writes_a_readable_report_when_a_release_is_refused(store, stubber):
    report = {"problems": [{"path": "a.py"}]}
    stubber.add_response(
        "put_object",
        {},
        {
            **REFUSAL_PLACE,
            "Body": json.dumps(report, indent=2).encode(),
            "ContentType": "application/json",
        },
    )
    store.report_refusal(report)


def test_deletes_the_report_only_when_there_is_one(store, stubber):
    stubber.add_client_error("head_object", "404")
    stubber.add_response("head_object", {}, REFUSAL_PLACE)
    stubber.add_response("delete_object", {}, REFUSAL_PLACE)
    store.clear_refusal()
    store.clear_refusal()
