"""The result or progress of a command in each of its states."""

from datetime import UTC, datetime

import pytest
from aws_lambda_powertools import Logger

from run_airflow_command.commands.airflow_cli import InvalidCommandError
from run_airflow_command.commands.best_effort_tick import BestEffortTick
from run_airflow_command.commands.polling import CommandPolling
from run_airflow_command.ports import TaskNotStartedError
from shared.errors import AwsCallError

TASK_DEFINITION = "arn:aws:ecs:us-east-1:111122223333:task-definition/airflow-command:3"


@pytest.fixture
def results(commands):
    return CommandPolling(commands)


def test_reports_that_the_request_is_unknown(results):
    with pytest.raises(InvalidCommandError, match="no command with the requestId never-heard-of"):
        results.wait("never-heard-of", 0)


def test_returns_the_tasks_status_while_it_runs(results, commands):
    commands.start(["version"], "request-1", TASK_DEFINITION)
    commands.runner.becomes("request-1", status="PROVISIONING", has_run=False)
    assert results.wait("request-1", 0)["status"] == "PROVISIONING"


def test_completes_the_command_when_it_sees_the_end_before_the_event(results, commands, reports):
    commands.start(["db", "migrate"], "request-1", TASK_DEFINITION)
    stopped = commands.runner.ends("request-1", exit_code=2)
    first = results.wait("request-1", 0)
    assert (first["status"], first["exitCode"]) == ("FAILED", 2)
    # The event comes later, and changes nothing.
    commands.complete(stopped)
    assert results.wait("request-1", 0) == first
    assert len(reports) == 1
    assert commands.store.locks == {}


def test_reports_that_the_command_was_not_started_when_ecs_refused(results, commands):
    commands.runner.error = TaskNotStartedError("Cluster not found.")
    with pytest.raises(TaskNotStartedError):
        commands.start(["version"], "request-1", TASK_DEFINITION)
    result = results.wait("request-1", 30)
    assert result["status"] == "NOT_STARTED"
    assert "taskArn" not in result


def test_failure_of_the_tick_is_only_logged(capsys):
    class NoScheduler:
        def ensure(self, moment):
            raise AwsCallError("Could not create the tick: AccessDenied")

    BestEffortTick(NoScheduler(), lambda: datetime(2026, 3, 1, tzinfo=UTC), Logger()).ensure()

    printed = capsys.readouterr()
    assert "a lost event would not be noticed" in printed.out + printed.err
