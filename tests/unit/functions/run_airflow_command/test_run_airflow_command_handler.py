"""The handler of run_airflow_command, with each of its sample events."""

import json

import pytest

from run_airflow_command.commands.lifecycle import CommandBusyError
from run_airflow_command.commands.record import CommandRecord
from run_airflow_command.handler import handler
from run_airflow_command.ports import TaskNotStartedError
from shared.cloudformation.custom_resource import CustomResourceRequest
from shared.errors import AwsCallError
from shared.observability import UnknownEventError
from shared.settings import SettingError

CREATE = "7d503196-ae4f-43b6-b07d-9163cf52bea4"
UPDATE = "8e614207-bf50-44c7-a18e-a274d063cfb5"
FAMILY = "arn:aws:ecs:us-east-1:111122223333:task-definition/airflow-command"
TASK = "arn:aws:ecs:us-east-1:111122223333:task/airflow/4f6e8d2c1b3a49578f0e9d8c7b6a5948"
STREAM = "command/command/4f6e8d2c1b3a49578f0e9d8c7b6a5948"


@pytest.fixture(autouse=True)
def settings(monkeypatch):
    for name, value in {
        "CLUSTER_ARN": "arn:aws:ecs:us-east-1:111122223333:cluster/airflow",
        "COMMAND_TASK_DEFINITION_ARN": f"{FAMILY}:9",
        "SUBNET_IDS": "subnet-1,subnet-2",
        "SECURITY_GROUP_IDS": "sg-1",
        "ASSIGN_PUBLIC_IP": "ENABLED",
        "STATE_BUCKET_NAME": "state",
        "COMMAND_LOG_GROUP_NAME": "commands",
        "TICK_SCHEDULE_NAME": "tick",
        "TICK_SCHEDULE_GROUP_NAME": "commands",
        "TICK_ROLE_ARN": "arn:aws:iam::111122223333:role/tick",
        "DATABASE_RETENTION_DAYS": "30",
        "ROTATION_TASK_ROLE_ARN": "arn:aws:iam::111122223333:role/airflow-rotation",
    }.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def call(sample_event, context):
    return lambda name: handler(sample_event(f"run_airflow_command/{name}"), context)


@pytest.fixture
def requested(wired, sample_event):
    """The record that the start has stored."""
    event = sample_event("run_airflow_command/custom-resource-create")
    wired.store.save(
        CommandRecord(CREATE, ("db", "migrate"), CustomResourceRequest.from_event(event))
    )
    wired.store.open(CREATE)
    return wired


@pytest.mark.parametrize(
    ("name", "request_id", "revision"),
    [("custom-resource-create", CREATE, 3), ("custom-resource-update", UPDATE, 4)],
)
def test_stores_the_request_and_starts_the_task_when_created_or_updated(
    name, request_id, revision, call, wired, channel, log_lines
):
    call(name)
    ((record, task_definition),) = wired.runner.started
    assert (record.request_id, record.command) == (request_id, ("db", "migrate"))
    # The revision of the request, not the one of the environment.
    assert task_definition == f"{FAMILY}:{revision}"
    assert channel.bodies == []
    assert "EXAMPLESIGNATURE" not in log_lines()


def test_answers_success_at_once_when_deleted(call, wired, channel):
    call("custom-resource-delete")
    assert channel.answer["Status"] == "SUCCESS"
    assert channel.answer["PhysicalResourceId"] == "DatabaseMigration"
    assert wired.runner.started == []


def test_commands_are_stopped_when_the_stack_is_deleted(sample_event, context, wired, channel):
    handler({"command": ["dags", "list"], "requestId": "mine"}, context)
    event = sample_event("run_airflow_command/custom-resource-delete")
    event["ResourceProperties"]["CommandOnRollback"] = ["restore-schema"]
    stop = wired.runner.stop
    # ECS lists the end during the wait.
    wired.runner.stop = lambda arn, reason: (stop(arn, reason), wired.runner.ends("mine"))
    handler(event, context)
    assert [reason for _, reason in wired.runner.stops] == ["The stack is being deleted"]
    assert channel.answer["Status"] == "SUCCESS"


def test_other_commands_continue_when_one_command_is_deleted(call, context, wired, channel):
    handler({"command": ["dags", "list"], "requestId": "mine"}, context)
    call("custom-resource-delete")
    assert wired.runner.stops == []
    assert channel.answer["Status"] == "SUCCESS"


def test_answers_failed_at_once_when_the_task_cannot_be_started(call, wired, channel, log_lines):
    wired.runner.error = TaskNotStartedError("ClusterNotFoundException: Cluster not found.")
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


def test_answers_failed_when_the_command_is_invalid(sample_event, context, wired, channel):
    event = sample_event("run_airflow_command/custom-resource-create")
    event["ResourceProperties"]["Command"] = "db migrate"
    handler(event, context)
    assert channel.answer["Status"] == "FAILED"
    assert (
        'must be a list of strings, one for each word: ["db", "migrate"]'
        in (channel.answer["Reason"])
    )
    assert wired.runner.started == []


def test_returns_task_and_log_of_a_direct_calls_command(call, context, wired):
    assert call("direct") == {
        "requestId": context.aws_request_id,
        "taskArn": TASK,
        "logGroup": "log-group",
        "logStream": STREAM,
    }
    ((record, task_definition),) = wired.runner.started
    assert (record.command, task_definition) == (("dags", "list"), f"{FAMILY}:9")


def test_returns_the_result_when_the_caller_waits(call, wired, clock):
    request_id = "list-dags-of-monday"
    clock.while_sleeping = lambda: wired.runner.ends(request_id)
    result = call("direct-wait")
    ((record, _),) = wired.runner.started
    assert (record.size.cpu, record.size.memory_mib) == (1024, 4096)
    assert result == {
        "requestId": request_id,
        "command": ["dags", "list"],
        "status": "SUCCEEDED",
        "exitCode": 0,
        "reason": f"The command ended with exit code 0 in task {TASK.rpartition('/')[2]}. "
        "Essential container in task exited.",
        "logTail": [f"last line of {TASK.rpartition('/')[2]}"],
        "taskArn": TASK,
        "logGroup": "log-group",
        "logStream": STREAM,
    }


def test_returns_how_to_ask_again_when_the_time_is_over_first(call, wired, clock):
    begin = clock.now()
    result = call("direct-wait")
    assert result["status"] == "RUNNING"
    assert result["message"] == (
        'Still RUNNING: ask again with {"requestId": "list-dags-of-monday"}'
    )
    # A client that gets no answer for 60 s repeats the call.
    assert (clock.now() - begin).total_seconds() == 45


def test_answers_before_the_functions_timeout_when_the_caller_would_wait_longer(
    wired, clock, context
):
    begin = clock.now()
    handler({"command": ["dags", "list"], "wait": 10_000}, context)
    waited = (clock.now() - begin).total_seconds()
    assert waited == context.get_remaining_time_in_millis() / 1000 - 10


def test_returns_the_result_to_a_later_call(call, wired):
    call("direct-wait")
    wired.runner.ends("list-dags-of-monday", exit_code=2)
    result = call("ask")
    assert (result["status"], result["exitCode"]) == ("FAILED", 2)
    assert call("ask") == result


@pytest.mark.parametrize("command", [[], "dags list", ["airflow", "dags"], None, ["dag", "list"]])
def test_returns_the_reason_and_starts_nothing_when_a_command_is_invalid(command, context, wired):
    answer = handler({"command": command}, context)
    assert answer["status"] == "REFUSED"
    assert answer["reason"]
    assert wired.runner.started == []
    assert wired.store.records == {}


def test_computes_the_date_when_the_schedule_cleans_the_database(call, wired, context, log_lines):
    call("maintenance-db-clean")
    ((record, _),) = wired.runner.started
    assert record.command == ("clean-database", "2026-01-30T12:00:00+00:00")
    handler(stopped_event(context.aws_request_id, exit_code=0), context)
    lines = log_lines()
    assert "MaintenanceSucceeded" in lines
    assert "MaintenanceFailed" not in lines


def test_counts_and_logs_a_failed_cleaning_of_the_database(call, wired, context, log_lines):
    call("maintenance-db-clean")
    handler(stopped_event(context.aws_request_id, exit_code=1), context)
    lines = log_lines()
    assert "MaintenanceFailed" in lines
    assert '"level":"ERROR"' in lines


def test_counts_a_scheduled_rotation_that_fails_and_one_that_meets_another(
    context, wired, log_lines
):
    event = {"maintenance": "rotate-secret fernet-key"}
    handler(event, context)
    ((record, _),) = wired.runner.started
    assert record.command == ("rotate-secret", "fernet-key")
    # Lambda repeats an asynchronous call with the same id.
    handler(event, context)
    assert len(wired.runner.started) == 1
    with pytest.raises(CommandBusyError):
        handler({"maintenance": "rotate-secret database-password", "requestId": "other"}, context)
    assert "MaintenanceFailed" in log_lines()


def test_returns_the_reason_when_another_command_changes_the_database(context, wired):
    handler({"command": ["db", "migrate"], "requestId": "first"}, context)
    answer = handler({"command": ["db", "migrate"], "requestId": "second"}, context)
    assert answer["status"] == "REFUSED"
    assert "request first" in answer["reason"]


def test_raises_when_the_database_cannot_be_cleaned_now_so_that_lambda_repeats_the_call(
    call, context, wired, log_lines
):
    handler({"command": ["db", "migrate"], "requestId": "first"}, context)
    with pytest.raises(CommandBusyError):
        call("maintenance-db-clean")
    assert "MaintenanceFailed" in log_lines()


def test_counts_and_logs_a_cleaning_of_the_database_that_does_not_start(call, wired, log_lines):
    wired.runner.error = TaskNotStartedError("Cluster not found.")
    with pytest.raises(TaskNotStartedError):
        call("maintenance-db-clean")
    assert "MaintenanceFailed" in log_lines()


def stopped_event(request_id, exit_code):
    detail = {
        "taskArn": TASK, "startedBy": request_id, "lastStatus": "STOPPED",
        "containers": [{"name": "command", "exitCode": exit_code}],
    }  # fmt: skip
    return {"source": "aws.ecs", "detail-type": "ECS Task State Change", "detail": detail}


def test_answers_success_when_the_task_has_succeeded(call, requested, channel, log_lines):
    call("task-stopped")
    assert channel.answer["Status"] == "SUCCESS"
    assert channel.answer["RequestId"] == CREATE
    lines = log_lines()
    assert "CommandsSucceeded" in lines
    assert "EXAMPLESIGNATURE" not in lines


def test_answers_failed_with_the_log_when_the_task_has_failed(call, requested, channel, log_lines):
    call("task-stopped-failed")
    assert channel.answer["Status"] == "FAILED"
    assert channel.answer["Reason"].endswith(f"last line of {TASK.rpartition('/')[2]}")
    lines = log_lines()
    assert "CommandsFailed" in lines
    assert "EXAMPLESIGNATURE" not in lines


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("task-stopped-not-started", "CannotPullContainerError"),
        ("task-stopped-secret-missing", "ResourceInitializationError"),
        ("task-stopped-out-of-memory", "OutOfMemoryError"),
    ],
)
def test_answers_failed_with_the_cause_when_the_task_could_not_run(
    name, reason, call, requested, channel
):
    call(name)
    assert channel.answer["Status"] == "FAILED"
    assert reason in channel.answer["Reason"]


def test_does_not_answer_again_when_the_event_comes_twice(call, requested, channel, log_lines):
    call("task-stopped")
    log_lines()
    call("task-stopped")
    assert len(channel.bodies) == 1
    assert "CommandsSucceeded" not in log_lines()


def test_ignores_a_stopped_task_that_is_not_a_command(call, wired, channel):
    call("task-stopped")
    assert channel.bodies == []


def test_raises_when_the_record_cannot_be_read(call, wired, channel, monkeypatch):
    def forbidden(request_id):
        raise AwsCallError("Could not read the command: AccessDenied")

    monkeypatch.setattr(wired.store, "find", forbidden)
    # S3's answer when s3:ListBucket is missing: it does not mean that there is no record.
    with pytest.raises(AwsCallError, match="AccessDenied"):
        call("task-stopped")


def test_tick_finds_an_end_whose_event_was_lost(call, wired, channel, log_lines):
    call("custom-resource-create")
    wired.runner.ends(CREATE, exit_code=1)
    assert call("tick") == {CREATE: "END_WAS_MISSED"}
    assert channel.answer["Status"] == "FAILED"
    lines = log_lines()
    assert "CommandEventsLost" in lines
    assert "CommandsFailed" in lines


def test_checks_the_other_commands_when_one_cannot_be_checked(call, requested, channel, log_lines):
    requested.store.records["0-damaged"] = b"{}"
    requested.store.open("0-damaged")
    assert call("tick") == {CREATE: "RUNNING"}
    assert "Could not check an open command" in log_lines()


def test_raises_when_a_setting_is_missing_and_no_answer_is_due(call, monkeypatch):
    monkeypatch.delenv("CLUSTER_ARN")
    with pytest.raises(SettingError, match="CLUSTER_ARN"):
        call("direct")


@pytest.mark.parametrize("status", ["RUNNING", "PENDING"])
def test_refuses_an_event_when_the_task_has_not_stopped(status, sample_event, context):
    event = sample_event("run_airflow_command/task-stopped")
    event["detail"]["lastStatus"] = status
    with pytest.raises(UnknownEventError):
        handler(event, context)


def test_result_is_json_when_returned_to_lambda(call, wired):
    assert json.loads(json.dumps(call("direct")))["taskArn"] == TASK
