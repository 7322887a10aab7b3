"""The handler of run_airflow_command, with each of its sample events."""

import io
import json

import pytest
from botocore.response import StreamingBody
from botocore.stub import ANY

from run_airflow_command.command import CommandRecord, InvalidCommandError
from run_airflow_command.handler import handler
from shared.custom_resource import CustomResourceRequest
from shared.errors import AwsCallError
from shared.observability import UnknownEventError
from shared.settings import SettingError

CREATE = "7d503196-ae4f-43b6-b07d-9163cf52bea4"
FAMILY = "arn:aws:ecs:us-east-1:111122223333:task-definition/airflow-command"
TASK = "arn:aws:ecs:us-east-1:111122223333:task/airflow-cluster/4f6e8d2c1b3a49578f0e9d8c7b6a5948"
STREAM = "command/airflow/4f6e8d2c1b3a49578f0e9d8c7b6a5948"


@pytest.fixture(autouse=True)
def settings(monkeypatch):
    for name, value in {
        "CLUSTER_ARN": "arn:aws:ecs:us-east-1:111122223333:cluster/airflow-cluster",
        "COMMAND_TASK_DEFINITION_ARN": f"{FAMILY}:9",
        "SUBNET_IDS": "subnet-1,subnet-2",
        "SECURITY_GROUP_IDS": "sg-1",
        "ASSIGN_PUBLIC_IP": "ENABLED",
        "STATE_BUCKET_NAME": "state",
        "COMMAND_LOG_GROUP_NAME": "commands",
        "ROTATION_TASK_ROLE_ARN": "arn:aws:iam::111122223333:role/airflow-rotation",
    }.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def call(sample_event, context):
    return lambda name: handler(sample_event(f"run_airflow_command/{name}"), context)


def run_task_parameters(**changes):
    names = ("cluster", "taskDefinition", "launchType", "count", "networkConfiguration",
             "propagateTags", "startedBy", "clientToken", "overrides")  # fmt: skip
    return dict.fromkeys(names, ANY) | changes


def stub_record(stubbed, sample_event, request_id=CREATE):
    """What the first half of the work has stored."""
    event = sample_event("run_airflow_command/custom-resource-create")
    data = CommandRecord(
        request_id, ("db", "migrate"), CustomResourceRequest.from_event(event)
    ).to_bytes()
    stubbed("s3").add_response(
        "get_object",
        {"Body": StreamingBody(io.BytesIO(data), len(data))},
        {"Bucket": "state", "Key": f"commands/{request_id}.json"},
    )


def stub_mark(stubbed, request_id=CREATE):
    key = f"commands/{request_id}.answered"
    stubbed("s3").add_client_error("head_object", "404")
    stubbed("s3").add_response(
        "put_object", {}, {"Bucket": "state", "Key": key, "Body": ANY, "IfNoneMatch": "*"}
    )


@pytest.mark.parametrize(
    ("name", "request_id", "revision"),
    [
        ("custom-resource-create", CREATE, 3),
        ("custom-resource-update", "8e614207-bf50-44c7-a18e-a274d063cfb5", 4),
    ],
)
def test_stores_the_request_and_starts_the_task_when_created_or_updated(
    name, request_id, revision, call, stubbed, channel, log_lines
):
    stubbed("s3").add_response(
        "put_object",
        {},
        {"Bucket": "state", "Key": f"commands/{request_id}.json", "Body": ANY},
    )
    stubbed("ecs").add_response(
        "run_task",
        {"tasks": [{"taskArn": TASK}]},
        run_task_parameters(
            # The revision of the request, not the one of the environment.
            taskDefinition=f"{FAMILY}:{revision}",
            clientToken=request_id,
            startedBy=request_id,
        ),
    )
    call(name)
    assert channel.bodies == []
    assert "EXAMPLESIGNATURE" not in log_lines()


def test_answers_success_at_once_when_deleted(call, stubbed, channel):
    stubbed("s3")
    stubbed("ecs")
    call("custom-resource-delete")
    assert channel.answer["Status"] == "SUCCESS"
    assert channel.answer["PhysicalResourceId"] == "DatabaseMigration"


def test_answers_failed_at_once_when_the_task_cannot_be_started(call, stubbed, channel, log_lines):
    stubbed("s3").add_response("put_object", {})
    stubbed("ecs").add_client_error("run_task", "ClusterNotFoundException", "Cluster not found.")
    call("custom-resource-create")
    assert channel.answer["Status"] == "FAILED"
    assert "ClusterNotFoundException: Cluster not found." in channel.answer["Reason"]
    assert "EXAMPLESIGNATURE" not in log_lines()


def test_answers_failed_when_a_setting_is_missing(call, channel, monkeypatch):
    monkeypatch.delenv("STATE_BUCKET_NAME")
    call("custom-resource-create")
    assert channel.answer["Reason"] == (
        "The environment variable STATE_BUCKET_NAME is missing or empty"
    )


def test_answers_failed_when_the_command_is_invalid(sample_event, context, stubbed, channel):
    stubbed("s3")
    stubbed("ecs")
    event = sample_event("run_airflow_command/custom-resource-create")
    event["ResourceProperties"]["Command"] = "db migrate"
    handler(event, context)
    assert channel.answer["Status"] == "FAILED"
    assert "must be a list of strings" in channel.answer["Reason"]


def test_returns_where_to_look_when_a_person_runs_a_command(call, context, stubbed):
    key = f"commands/{context.aws_request_id}.json"
    stubbed("s3").add_response("put_object", {}, {"Bucket": "state", "Key": key, "Body": ANY})
    stubbed("ecs").add_response(
        "run_task",
        {"tasks": [{"taskArn": TASK}]},
        run_task_parameters(
            taskDefinition=f"{FAMILY}:9",
            overrides={"containerOverrides": [{"name": "airflow", "command": ["dags", "list"]}]},
        ),
    )
    assert call("direct") == {
        "requestId": context.aws_request_id,
        "taskArn": TASK,
        "logGroup": "commands",
        "logStream": STREAM,
    }


@pytest.mark.parametrize("command", [[], "dags list", ["airflow", "dags"], None])
def test_raises_and_starts_nothing_when_a_person_gives_a_bad_command(command, context, stubbed):
    stubbed("s3")
    stubbed("ecs")
    with pytest.raises(InvalidCommandError):
        handler({"command": command}, context)


def test_answers_success_when_the_task_has_succeeded(
    call, sample_event, stubbed, channel, log_lines
):
    stub_record(stubbed, sample_event)
    stub_mark(stubbed)
    call("task-stopped")
    assert channel.answer["Status"] == "SUCCESS"
    assert channel.answer["RequestId"] == CREATE
    lines = log_lines()
    assert "CommandsSucceeded" in lines
    assert "EXAMPLESIGNATURE" not in lines


def test_answers_failed_with_the_log_when_the_task_has_failed(
    call, sample_event, stubbed, channel, log_lines
):
    stub_record(stubbed, sample_event)
    stub_mark(stubbed)
    stubbed("logs").add_response(
        "get_log_events",
        {"events": [{"message": "could not connect to postgresql://a:SECRET@db\n"}]},
        {"logGroupName": "commands", "logStreamName": STREAM, "limit": 30, "startFromHead": False},
    )
    call("task-stopped-failed")
    assert channel.answer["Status"] == "FAILED"
    assert channel.answer["Reason"].endswith("could not connect to postgresql://***@db")
    assert "CommandsFailed" in log_lines()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("task-stopped-not-started", "CannotPullContainerError"),
        ("task-stopped-out-of-memory", "OutOfMemoryError"),
    ],
)
def test_answers_failed_when_there_is_no_log(name, reason, call, sample_event, stubbed, channel):
    stub_record(stubbed, sample_event)
    stub_mark(stubbed)
    stubbed("logs").add_client_error("get_log_events", "ResourceNotFoundException")
    call(name)
    assert channel.answer["Status"] == "FAILED"
    assert reason in channel.answer["Reason"]


def test_answers_nothing_when_it_was_answered_before(call, sample_event, stubbed, channel):
    stub_record(stubbed, sample_event)
    stubbed("s3").add_response("head_object", {})
    call("task-stopped")
    assert channel.bodies == []


def test_counts_nothing_when_another_call_has_marked_it_meanwhile(
    call, sample_event, stubbed, channel, log_lines
):
    stub_record(stubbed, sample_event)
    stubbed("s3").add_client_error("head_object", "404")
    stubbed("s3").add_client_error("put_object", "PreconditionFailed")
    call("task-stopped")
    assert channel.answer["Status"] == "SUCCESS"
    assert "CommandsSucceeded" not in log_lines()


def test_ignores_a_stopped_task_when_nobody_asked_for_it(call, stubbed, channel):
    stubbed("s3").add_client_error("get_object", "NoSuchKey")
    call("task-stopped")
    assert channel.bodies == []


def test_raises_when_the_record_cannot_be_read(call, stubbed, channel):
    # As S3 says it where s3:ListBucket is missing: not to be taken for "nobody asked".
    stubbed("s3").add_client_error("get_object", "AccessDenied", "Access Denied")
    with pytest.raises(AwsCallError, match="Could not read the command: AccessDenied"):
        call("task-stopped")


def test_raises_when_a_setting_is_missing_and_nobody_waits_for_an_answer(call, monkeypatch):
    monkeypatch.delenv("CLUSTER_ARN")
    with pytest.raises(SettingError, match="CLUSTER_ARN"):
        call("direct")


@pytest.mark.parametrize("status", ["RUNNING", "PENDING"])
def test_refuses_an_event_when_the_task_has_not_stopped(status, sample_event, context):
    event = sample_event("run_airflow_command/task-stopped")
    event["detail"]["lastStatus"] = status
    with pytest.raises(UnknownEventError):
        handler(event, context)


def test_result_is_json_when_returned_to_lambda(call, stubbed):
    stubbed("s3").add_response("put_object", {})
    stubbed("ecs").add_response("run_task", {"tasks": [{"taskArn": TASK}]})
    assert json.loads(json.dumps(call("direct")))["taskArn"] == TASK
