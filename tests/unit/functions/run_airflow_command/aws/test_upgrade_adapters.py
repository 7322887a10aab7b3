"""The notes in the state bucket and the services of the cluster."""

import io
import json

import boto3
import pytest
from botocore.stub import ANY, Stubber

from run_airflow_command.aws.ecs_services import EcsServices
from run_airflow_command.aws.s3_upgrade_notes import S3UpgradeNotes
from run_airflow_command.schema_change.ports import QuiescedServices
from shared.errors import AwsCallError

TASK_DEFINITION = "arn:aws:ecs:us-east-1:111122223333:task-definition/airflow-command:10"
NOTED = QuiescedServices("task", {"scheduler": 2}, '"etag"')


@pytest.fixture(autouse=True)
def nothing_is_stopped():
    """Overrides the fixture: this module tests the notes themselves."""


@pytest.fixture
def s3():
    client = boto3.client("s3", region_name="us-east-1")
    with Stubber(client) as stubber:
        yield client, stubber
        stubber.assert_no_pending_responses()


@pytest.fixture
def ecs():
    client = boto3.client("ecs", region_name="us-east-1")
    with Stubber(client) as stubber:
        yield client, stubber
        stubber.assert_no_pending_responses()


@pytest.mark.parametrize(("heads", "called_off"), [(None, True), ({"alembic_version": []}, False)])
def test_a_migration_is_called_off_only_when_it_has_not_begun(s3, heads, called_off):
    client, stubber = s3
    key = {"Bucket": "state", "Key": "upgrades/airflow-command:10.json"}
    stubber.add_response("put_object", {}, {**key, "Body": b'{"heads": null}', "IfNoneMatch": "*"})
    stubber.add_client_error("put_object", "PreconditionFailed", http_status_code=412)
    body = io.BytesIO(json.dumps({"heads": heads}).encode())
    stubber.add_response("get_object", {"Body": body}, key)
    stubber.add_client_error("put_object", "AccessDenied", http_status_code=403)
    notes = S3UpgradeNotes(client, "state")
    assert notes.call_off(TASK_DEFINITION)
    assert notes.call_off(TASK_DEFINITION) is called_off
    with pytest.raises(AwsCallError):
        notes.call_off(TASK_DEFINITION)


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"owner": "task", "counts": {"scheduler": 2}}, NOTED),
        ({"owner": "task", "counts": {}}, None),
        (None, None),
    ],
)
def test_stopped_services_are_read_when_there_are_any(s3, document, expected):
    client, stubber = s3
    if document is None:
        stubber.add_client_error("get_object", "NoSuchKey")
    else:
        body = io.BytesIO(json.dumps(document).encode())
        stubber.add_response("get_object", {"Body": body, "ETag": '"etag"'})
    assert S3UpgradeNotes(client, "state").quiesced() == expected


def test_the_note_is_cleared_only_when_it_has_not_changed(s3):
    client, stubber = s3
    expected = {
        "Bucket": "state", "Key": "upgrades/quiesced.json", "Body": ANY, "IfMatch": '"etag"',
    }  # fmt: skip
    stubber.add_response("put_object", {}, expected)
    stubber.add_client_error("put_object", "PreconditionFailed", http_status_code=412)
    notes = S3UpgradeNotes(client, "state")
    assert notes.forget_quiesced(NOTED)
    assert not notes.forget_quiesced(NOTED)


def test_a_count_is_none_when_the_service_does_not_exist(ecs):
    client, stubber = ecs
    service = {"status": "ACTIVE", "desiredCount": 2}
    stubber.add_response("describe_services", {"services": [service]})
    stubber.add_response("describe_services", {"services": [{**service, "status": "INACTIVE"}]})
    stubber.add_response("describe_services", {"services": []})
    services = EcsServices(client, "cluster")
    assert [services.desired_count("scheduler") for _ in range(3)] == [2, None, None]


def test_a_count_is_set(ecs):
    client, stubber = ecs
    expected = {"cluster": "cluster", "service": "scheduler", "desiredCount": 2}
    stubber.add_response("update_service", {}, expected)
    EcsServices(client, "cluster").set_desired_count("scheduler", 2)
