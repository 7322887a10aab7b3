"""The answer about a command that has ended."""

import pytest

from run_airflow_command.commands.redaction import redacted
from run_airflow_command.commands.task_outcome import answer_for
from shared.fargate import StoppedTask


@pytest.fixture
def task(sample_event):
    return lambda name: StoppedTask.from_event(
        sample_event(f"run_airflow_command/{name}")["detail"], "command"
    )


def test_answers_with_the_exit_code_as_data_when_the_command_succeeded(task):
    answer = answer_for(task("task-stopped"), ())
    assert answer.status == "SUCCESS"
    assert answer.data["ExitCode"] == "0"


def test_answers_with_exit_code_reason_and_log_when_the_command_failed(task):
    answer = answer_for(task("task-stopped-failed"), ["one", "two"])
    assert answer.status == "FAILED"
    assert answer.reason == (
        "The command ended with exit code 1 in task 4f6e8d2c1b3a49578f0e9d8c7b6a5948. Essential "
        "container in task exited. Last log lines:\none\ntwo"
    )


def test_reports_that_there_was_too_little_memory(task):
    reason = answer_for(task("task-stopped-out-of-memory"), ()).reason
    assert "exit code 137" in reason
    assert "OutOfMemoryError" in reason


def test_reports_why_the_task_did_not_start(task):
    answer = answer_for(task("task-stopped-not-started"), ())
    assert answer.status == "FAILED"
    assert "did not start. CannotPullContainerError" in answer.reason


@pytest.mark.parametrize(
    "line",
    [
        "postgresql+psycopg2://airflow:SECRET@db.example:5432/airflow",
        "cannot connect to redis://:SECRET@cache, giving up",
        "url='https://user:SECRET/with?strange@characters@host/path'",
        "sqs://SECRET@",
    ],
)
def test_hides_credentials_in_log_lines(line, task):
    assert "SECRET" not in redacted(line)
    assert "://***@" in redacted(line)
    assert "SECRET" not in answer_for(task("task-stopped-failed"), [line]).reason


@pytest.mark.parametrize(
    "line", ["see https://airflow.apache.org/docs", "mail user@example.com", "a :// b @ c"]
)
def test_does_not_change_a_line_without_credentials(line):
    assert redacted(line) == line
