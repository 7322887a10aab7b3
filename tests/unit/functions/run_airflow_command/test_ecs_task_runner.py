"""RunTask for commands: what is sent, what is repeated, what is given up."""

import boto3
import pytest
from botocore.stub import Stubber

from run_airflow_command.command import CommandRecord, overrides
from run_airflow_command.ecs_task_runner import EcsTaskRunner, TaskNotStartedError
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
    return EcsTaskRunner(client, placement, ROTATION_ROLE, waits.append)


def test_starts_one_task_with_the_request_id_as_token_when_run(runner, stubber):
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
            "startedBy": "request-1",
            "clientToken": "request-1",
            "overrides": {
                "containerOverrides": [{"name": "airflow", "command": ["db", "migrate"]}]
            },
        },
    )
    assert runner.run(RECORD, TASK_DEFINITION) == TASK


@pytest.mark.parametrize(
    ("command", "role"), [("rotate-secret", ROTATION_ROLE), ("rotate-fernet-key", None)]
)
def test_lends_the_rotation_role_only_when_a_secret_is_rotated(command, role):
    assert overrides([command, "x"], ROTATION_ROLE).get("taskRoleArn") == role


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


@pytest.mark.parametrize(
    ("code", "message"),
    [("ClientException", "Too many tasks."), ("AccessDeniedException", "unable to assume it so")],
)
def test_gives_up_at_once_when_waiting_would_not_help(runner, stubber, waits, code, message):
    stubber.add_client_error("run_task", code, message)
    with pytest.raises(AwsCallError, match=message):
        runner.run(RECORD, TASK_DEFINITION)
    assert waits == []


def test_tells_the_reason_when_ecs_starts_nothing(runner, stubber):
    failure = {"reason": "Capacity is unavailable at this time.", "detail": "Try later."}
    stubber.add_response("run_task", {"tasks": [], "failures": [failure]})
    with pytest.raises(TaskNotStartedError, match=r"Capacity is unavailable.*Try later\."):
        runner.run(RECORD, TASK_DEFINITION)


def test_says_so_when_ecs_starts_nothing_and_gives_no_reason(runner, stubber):
    stubber.add_response("run_task", {"tasks": [], "failures": []})
    with pytest.raises(TaskNotStartedError, match="gave no reason"):
        runner.run(RECORD, TASK_DEFINITION)


def test_takes_the_existing_task_when_the_token_was_used_otherwise(runner, stubber):
    stubber.add_client_error(
        "run_task", "ConflictException", modeled_fields={"resourceIds": [TASK]}
    )
    assert runner.run(RECORD, TASK_DEFINITION) == TASK


def test_fails_when_the_token_was_used_and_no_task_is_named(runner, stubber):
    stubber.add_client_error("run_task", "ConflictException")
    with pytest.raises(AwsCallError, match="ConflictException"):
        runner.run(RECORD, TASK_DEFINITION)
