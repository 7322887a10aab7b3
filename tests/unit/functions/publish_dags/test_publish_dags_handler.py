"""The handler of publish_dags, with each of its sample events."""

import io
import json
from datetime import UTC, datetime

import pytest
from botocore.response import StreamingBody
from botocore.stub import ANY

from publish_dags.handler import handler
from shared.errors import AwsCallError
from shared.observability import UnknownEventError
from shared.settings import SettingError

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
SAMPLE_VERSION = "IYV3p45BT0ac8hjHg1houSdS1a.Mro8e"
SAMPLE_MARKER = "1QW9g1Z99LUNbvaaYVpW9xDlOLU.qxgF"


@pytest.fixture(autouse=True)
def settings(monkeypatch):
    monkeypatch.setenv("DAG_BUCKET_NAME", "bucket")
    monkeypatch.setenv("SOURCE_PREFIX", "dags/")
    monkeypatch.setenv("RELEASE_PREFIX", "releases/")
    monkeypatch.setattr("time.sleep", lambda seconds: None)


@pytest.fixture
def call(sample_event, context):
    return lambda name: handler(sample_event(f"publish_dags/{name}"), context)


class Bucket:
    """What S3 will say, in the order in which it is asked."""

    def __init__(self, stubbed):
        self.s3 = stubbed("s3")

    def listing(self, versions=(), markers=()):
        def entry(item):
            key, version_id = item
            return {"Key": key, "VersionId": version_id, "IsLatest": True, "LastModified": NOW}

        self.s3.add_response(
            "list_object_versions",
            {
                "Versions": [entry(item) for item in versions],
                "DeleteMarkers": [entry(item) for item in markers],
            },
            {"Bucket": "bucket", "Prefix": "dags/"},
        )

    def no_release(self):
        self.s3.add_client_error("get_object", "NoSuchKey")

    def file(self, data):
        self.s3.add_response("get_object", {"Body": StreamingBody(io.BytesIO(data), len(data))})

    def takes_release(self):
        self.s3.add_response(
            "put_object", {}, {"Bucket": "bucket", "Key": ANY, "Body": ANY, "IfNoneMatch": "*"}
        )
        self.s3.add_response(
            "put_object",
            {},
            {
                "Bucket": "bucket",
                "Key": "releases/current.json",
                "Body": ANY,
                "IfNoneMatch": "*",
            },
        )
        self.s3.add_client_error("head_object", "404")

    def takes_refusal(self):
        self.s3.add_response(
            "put_object",
            {},
            {
                "Bucket": "bucket",
                "Key": "releases/refused.json",
                "Body": ANY,
                "ContentType": "application/json",
            },
        )


@pytest.fixture
def bucket(stubbed):
    return Bucket(stubbed)


def test_publishes_when_a_file_was_put(call, bucket, log_lines):
    files = [("dags/classic.py", SAMPLE_VERSION)]
    bucket.listing(files)
    bucket.listing(files)
    bucket.no_release()
    bucket.listing(files)
    bucket.file(b"x = 1\n")
    bucket.takes_release()
    result = call("object-created")
    assert result["outcome"] == "published"
    assert result["files"] == 1
    assert json.loads(json.dumps(result)) == result
    assert '"ReleasesPublished":[1.0]' in log_lines()


def test_publishes_when_a_file_was_deleted(call, bucket):
    for _ in range(2):
        bucket.listing(markers=[("dags/classic.py", SAMPLE_MARKER)])
    bucket.no_release()
    bucket.listing(markers=[("dags/classic.py", SAMPLE_MARKER)])
    bucket.takes_release()
    result = call("object-deleted")
    assert (result["outcome"], result["files"]) == ("published", 0)


def test_publishes_at_once_when_somebody_asks(call, bucket):
    bucket.no_release()
    bucket.listing()
    bucket.takes_release()
    assert call("direct")["outcome"] == "published"


def test_reports_file_line_and_reason_when_a_file_does_not_compile(call, bucket, log_lines):
    bucket.no_release()
    bucket.listing([("dags/classic.py", SAMPLE_VERSION)])
    bucket.file(b"x = 1\ndef f(:\n")
    bucket.takes_refusal()
    result = call("direct")
    assert result["outcome"] == "refused"
    assert result["problems"][0].startswith("classic.py, line 2: SyntaxError")
    lines = log_lines()
    assert '"ReleasesRefused":[1.0]' in lines
    assert "ReleasesPublished" not in lines


@pytest.mark.parametrize("key", ["releases/current.json", "other/dags/a.py"])
def test_ignores_a_change_when_it_is_not_in_the_folder(key, sample_event, context, bucket):
    event = sample_event("publish_dags/object-created")
    event["detail"]["object"]["key"] = key
    assert handler(event, context) == {"outcome": "ignored"}


def test_publishes_when_an_event_names_no_version(sample_event, context, bucket):
    event = sample_event("publish_dags/object-created")
    del event["detail"]["object"]["version-id"]
    bucket.no_release()
    bucket.listing()
    bucket.takes_release()
    assert handler(event, context)["outcome"] == "published"


@pytest.mark.parametrize("change", [{"source": "aws.ecs"}, {"detail-type": "Object Tags Added"}])
def test_refuses_an_event_when_it_is_unknown(change, sample_event, context):
    with pytest.raises(UnknownEventError):
        handler(sample_event("publish_dags/object-created") | change, context)


def test_raises_when_the_folder_cannot_be_listed(call, bucket):
    bucket.no_release()
    bucket.s3.add_client_error("list_object_versions", "AccessDenied")
    with pytest.raises(AwsCallError, match="Could not list the DAGs folder: AccessDenied"):
        call("direct")


def test_raises_when_a_setting_is_missing(call, monkeypatch):
    monkeypatch.delenv("SOURCE_PREFIX")
    with pytest.raises(SettingError, match="SOURCE_PREFIX"):
        call("direct")
