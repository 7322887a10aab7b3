"""RunTask for commands: the request, the repetitions, the errors."""

from dataclasses import replace
from datetime import UTC, datetime

import boto3
import pytest
from botocore.stub import ANY, Stubber

from run_airflow_command.aws.ecs_task_runner import EcsTaskRunner
from run_airflow_command.commands.record import CommandRecord
from run_airflow_command.commands.task_overrides import TaskSize, overrides
from run_airflow_command.ports import TaskNotStartedError
from shared.errors import AwsCallError
from shared.fargate import TaskPlacement

TASK = "arn:aws:ecs:us-east-1:111122223333:task/cluster/task-1"
TASK_DEFINITION = "arn:aws:ecs:us-east-1:111122223333:task-definition/airflow-command:3"
ROTATION_ROLE = "arn:aws:iam::111122223333:role/airflow-rotation"
RECORD = CommandRecord("request-1", ("db", "migrate"))
UNABLE = (
    "ECS was unable to assume the role 'arn:aws:iam::111122223333:role/x' that was provided for "
    "this task."
)


@pytest.fixture
def client():
    return boto3.client("ecs", region_name="us-east-1")


@pytest.fixture
def stubber(client):
    with Stubber(client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


@pytest.fixture
def waits():
    return []


@pytest.fixture
def runner(client, waits):
    placement = TaskPlacement("cluster", ("subnet-1", "subnet-2"), ("sg-1",), "DISABLED")
    return EcsTaskRunner(client, placement, TASK_DEFINITION, ROTATION_ROLE, waits.append)


def test_starts_one_task_with_the_request_id_as_token(runner, stubber):
    stubber.add_response(
        "run_task",
        {"tasks": [{"taskArn": TASK}], "failures": []},
        {
            "cluster": "cluster",
            "taskDefinition": TASK_DEFINITION,
            "launchType": "FARGATE",
            "count": 1,
            "networkConfiguration": {
                "awsvpcConfiguration": {
                    "subnets": ["subnet-1", "subnet-2"],
                    "securityGroups": ["sg-1"],
                    "assignPublicIp": "DISABLED",
                }
            },
            "propagateTags": "TASK_DEFINITION",
            "enableECSManagedTags": True,
            "startedBy": "request-1",
            "clientToken": "request-1",
            "overrides": {
                "containerOverrides": [{"name": "command", "command": ["db", "migrate"]}]
            },
        },
    )
    assert runner.run(RECORD, TASK_DEFINITION) == TASK


@pytest.mark.parametrize(
    ("command", "role"),
    [
        ("rotate-secret", ROTATION_ROLE),
        ("ensure-database-users", ROTATION_ROLE),
        ("ensure-result-backend", ROTATION_ROLE),
        ("rotate-fernet-key", None),
        ("upgrade-schema", None),
        ("ensure-admin-user", None),
        ("dags", None),
    ],
)
def test_passes_the_rotation_role_only_to_commands_that_need_secrets(command, role):
    assert overrides([command, "x"], None, ROTATION_ROLE).get("taskRoleArn") == role


def test_waits_and_repeats_when_the_role_is_too_new(runner, stubber, waits):
    stubber.add_client_error("run_task", "ClientException", UNABLE)
    stubber.add_client_error("run_task", "ClientException", UNABLE)
    stubber.add_response("run_task", {"tasks": [{"taskArn": TASK}]})
    assert runner.run(RECORD, TASK_DEFINITION) == TASK
    assert waits == [5, 10]


def test_gives_up_after_two_minutes_when_the_role_cannot_be_assumed(runner, stubber, waits):
    for _ in range(7):
        stubber.add_client_error("run_task", "ClientException", UNABLE)
    with pytest.raises(AwsCallError, match=r"Could not start the command's task.*unable to assume"):
        runner.run(RECORD, TASK_DEFINITION)
    assert sum(waits) == 120


def test_gives_up_after_half_a_minute_when_the_call_is_denied(runner, stubber, waits):
    for _ in range(4):
        stubber.add_client_error("run_task", "AccessDeniedException", "You may not.")
    with pytest.raises(TaskNotStartedError, match="You may not"):
        runner.run(RECORD, TASK_DEFINITION)
    assert waits == [5, 10, 15]


def test_gives_up_at_once_when_waiting_would_not_help(runner, stubber, waits):
    stubber.add_client_error("run_task", "ClientException", "Too many tasks.")
    with pytest.raises(AwsCallError, match=r"Too many tasks\."):
        runner.run(RECORD, TASK_DEFINITION)
    assert waits == []


def test_raises_the_reason_when_ecs_starts_nothing(runner, stubber):
    failure = {"reason": "Capacity is unavailable at this time.", "detail": "Try later."}
    stubber.add_response("run_task", {"tasks": [], "failures": [failure]})
    with pytest.raises(TaskNotStartedError, match=r"Capacity is unavailable.*Try later\."):
        runner.run(RECORD, TASK_DEFINITION)


def test_raises_when_ecs_starts_nothing_and_gives_no_reason(runner, stubber):
    stubber.add_response("run_task", {"tasks": [], "failures": []})
    with pytest.raises(TaskNotStartedError, match="gave no reason"):
        runner.run(RECORD, TASK_DEFINITION)


def test_returns_the_existing_task_when_the_token_was_used_with_other_parameters(runner, stubber):
    stubber.add_client_error(
        "run_task", "ConflictException", modeled_fields={"resourceIds": [TASK]}
    )
    assert runner.run(RECORD, TASK_DEFINITION) == TASK


def test_raises_when_the_token_was_used_and_no_task_is_named(runner, stubber):
    stubber.add_client_error("run_task", "ConflictException")
    with pytest.raises(AwsCallError, match="ConflictException") as caught:
        runner.run(RECORD, TASK_DEFINITION)
    # A task may have been started with this token.
    assert not isinstance(caught.value, TaskNotStartedError)


def test_overrides_cpu_and_memory_when_the_record_has_a_size(runner, stubber):
    names = ("cluster", "taskDefinition", "launchType", "count", "networkConfiguration",
             "propagateTags", "enableECSManagedTags", "startedBy", "clientToken")  # fmt: skip
    overrides = {
        "containerOverrides": [{"name": "command", "command": ["db", "migrate"]}],
        "cpu": "1024",
        "memory": "4096",
    }
    stubber.add_response(
        "run_task",
        {"tasks": [{"taskArn": TASK}]},
        dict.fromkeys(names, ANY) | {"overrides": overrides},
    )
    assert runner.run(replace(RECORD, size=TaskSize(1024, 4096)), TASK_DEFINITION) == TASK


@pytest.mark.parametrize(
    ("code", "status", "is_certain"),
    [("ClusterNotFoundException", 400, True), ("ServerException", 500, False)],
)
def test_distinguishes_a_refusal_from_an_uncertain_failure(
    runner, stubber, code, status, is_certain
):
    stubber.add_client_error("run_task", code, "No.", http_status_code=status)
    with pytest.raises(AwsCallError, match=f"{code}: No\\.") as caught:
        runner.run(RECORD, TASK_DEFINITION)
    assert isinstance(caught.value, TaskNotStartedError) == is_certain


def described(**changes):
    return {"taskArn": TASK, "startedBy": "request-1", "lastStatus": "PENDING",
            "desiredStatus": "RUNNING"} | changes  # fmt: skip


def test_sees_a_task_that_has_not_run_when_it_is_pending(runner, stubber):
    stubber.add_response(
        "describe_tasks", {"tasks": [described()]}, {"cluster": "cluster", "tasks": [TASK]}
    )
    task = runner.find(replace(RECORD, task_arn=TASK))
    assert (task.status, task.has_run, task.stopping, task.stopped) == (
        "PENDING", False, False, None,
    )  # fmt: skip


def test_sees_how_it_ended_when_the_task_has_stopped(runner, stubber):
    stopped = described(
        lastStatus="STOPPED",
        desiredStatus="STOPPED",
        startedAt=datetime(2026, 3, 1, tzinfo=UTC),
        stoppedReason="Essential container in task exited",
        containers=[{"name": "command", "exitCode": 3}],
    )
    stubber.add_response("describe_tasks", {"tasks": [stopped]})
    task = runner.find(replace(RECORD, task_arn=TASK))
    assert task.has_run
    assert (task.stopped.exit_code, task.stopped.started_by) == (3, "request-1")


def test_finds_nothing_when_ecs_no_longer_knows_the_task(runner, stubber):
    failure = {"arn": TASK, "reason": "MISSING"}
    stubber.add_response("describe_tasks", {"tasks": [], "failures": [failure]})
    assert runner.find(replace(RECORD, task_arn=TASK)) is None


def test_finds_the_task_by_its_starter_when_its_arn_is_not_known(runner, stubber):
    for status, arns in (("RUNNING", ["other"]), ("STOPPED", [TASK])):
        stubber.add_response(
            "list_tasks",
            {"taskArns": arns},
            {"cluster": "cluster", "family": "airflow-command", "desiredStatus": status},
        )
    other = described(taskArn="other", startedBy="request-0")
    stubber.add_response(
        "describe_tasks",
        {"tasks": [other, described()]},
        {"cluster": "cluster", "tasks": ["other", TASK]},
    )
    assert runner.find(RECORD).arn == TASK


def test_describes_nothing_when_the_family_has_no_task(runner, stubber):
    for _ in range(2):
        stubber.add_response("list_tasks", {"taskArns": []})
    assert runner.find(RECORD) is None


def test_passes_the_reason_when_a_task_is_stopped(runner, stubber):
    stubber.add_response(
        "stop_task", {}, {"cluster": "cluster", "task": TASK, "reason": "It takes too long"}
    )
    runner.stop(TASK, "It takes too long")


def test_tasks_that_are_stopping_remain_when_all_are_listed(runner, stubber):
    for arns in ([TASK], ["stopping", "stopped"]):
        stubber.add_response("list_tasks", {"taskArns": arns})
    stopping = described(taskArn="stopping", desiredStatus="STOPPED", lastStatus="STOPPING")
    stopped = described(taskArn="stopped", desiredStatus="STOPPED", lastStatus="STOPPED")
    stubber.add_response("describe_tasks", {"tasks": [described(), stopping, stopped]})
    assert runner.remaining() == [TASK, "stopping"]


def test_nothing_remains_when_the_cluster_does_not_exist(runner, stubber):
    stubber.add_client_error("list_tasks", "ClusterNotFoundException", "Cluster not found.")
    assert runner.remaining() == []
