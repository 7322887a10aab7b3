"""With Valkey the doctor reads what the scheduler has counted."""

import io
import json
from datetime import UTC, datetime, timedelta

import boto3
import pytest
from botocore.response import StreamingBody
from botocore.stub import Stubber

from doctor.aws.s3_objects import S3QueueCounts
from doctor.aws.sqs_queues import SqsQueues
from doctor.handler import _sources
from doctor.ports import QueueState
from doctor.settings import DoctorSettings
from shared.errors import AwsCallError

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
VARIABLES = {
    "STACK_NAME": "airflow",
    "CLUSTER_ARN": "arn:aws:ecs:us-east-1:1:cluster/airflow",
    "STATE_BUCKET_NAME": "state",
    "DAG_BUCKET_NAME": "dags",
    "SUBNET_IDS": "subnet-1",
    "DATABASE_INSTANCE_ID": "database",
    "SECRET_ARNS": "secret",
    "NOTIFICATION_TOPIC_ARN": "arn:aws:sns:us-east-1:1:topic",
    "WORKER_SIZE": "1024/4096/8",
    "WORKER_MAX_COUNT": "5",
}


def state(body: bytes = b"", code: str = "") -> QueueState:
    client = boto3.client(
        "s3", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b"
    )
    request = {"Bucket": "state", "Key": "fleet/queue-counts.json"}
    with Stubber(client) as stub:
        if code:
            stub.add_client_error("get_object", code, expected_params=request)
        else:
            stream = StreamingBody(io.BytesIO(body), len(body))
            stub.add_response("get_object", {"Body": stream, "LastModified": NOW}, request)
        return S3QueueCounts(client, "state", lambda: NOW).state("heavy")


def counts(moment: datetime) -> bytes:
    queues = {"heavy": {"waiting": 4, "held": 2}}
    return json.dumps({"counted_at": moment.timestamp(), "queues": queues}).encode()


def test_queue_has_the_messages_that_the_scheduler_has_counted() -> None:
    found = state(counts(NOW - timedelta(seconds=100)))

    assert found == QueueState("heavy", True, 4, 2, visibility_seconds=None)


def test_old_missing_or_damaged_counts_are_zero() -> None:
    empty = QueueState("heavy", True, visibility_seconds=None)

    assert state(counts(NOW - timedelta(minutes=6))) == empty
    assert state(b"not JSON") == empty
    assert state(code="NoSuchKey") == empty


def test_counts_that_cannot_be_read_are_an_error() -> None:
    with pytest.raises(AwsCallError, match="fleet/queue-counts"):
        state(code="AccessDenied")


@pytest.mark.parametrize(
    ("variables", "kind"),
    [({}, S3QueueCounts), ({"QUEUE_URL": "https://sqs/1/airflow-queue-default"}, SqsQueues)],
)
def test_sqs_is_asked_only_with_a_queue(
    variables: dict[str, str], kind: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    settings = DoctorSettings.from_environment({**VARIABLES, **variables})

    assert isinstance(_sources(settings, with_schema=False).queues, kind)
