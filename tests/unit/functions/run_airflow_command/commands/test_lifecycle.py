"""Starting and answering: no double start, no lost answer, locks are held and released."""

import pytest

from run_airflow_command.commands.airflow_cli import InvalidCommandError
from run_airflow_command.commands.lifecycle import CommandBusyError, Completion
from run_airflow_command.commands.task_overrides import TaskSize
from run_airflow_command.ports import TaskNotStartedError
from shared.errors import AwsCallError
from shared.fargate import StoppedTask

TASK_DEFINITION = "arn:aws:ecs:us-east-1:111122223333:task-definition/airflow-command:3"
FIRST_TASK = "4f6e8d2c1b3a49578f0e9d8c7b6a5948"
MIGRATE = ["db", "migrate"]


def test_start_returns_the_task_and_its_log(started, request_):
    assert started.request_id == request_.request_id
    assert started.task_arn.endswith(f"task/airflow/{FIRST_TASK}")
    assert (started.log_group, started.log_stream) == ("log-group", f"command/command/{FIRST_TASK}")


def test_starts_no_second_task_when_the_start_is_repeated(commands, request_, started):
    again = commands.start(["db", "migrate"], request_.request_id, TASK_DEFINITION, request_)
    assert again == started
    assert len(commands.runner.started) == 1


def test_starts_no_second_task_when_the_start_is_repeated_after_the_answer(
    commands, request_, started, stopped, channel
):
    commands.complete(stopped())
    again = commands.start(["db", "migrate"], request_.request_id, TASK_DEFINITION, request_)
    assert again == started
    assert len(commands.runner.started) == 1
    assert len(channel.bodies) == 1
    assert commands.store.opened == set()


def test_keeps_the_first_deadline_when_the_start_is_repeated(commands, request_, started, clock):
    clock.passes(minutes=5)
    commands.start(["db", "migrate"], request_.request_id, TASK_DEFINITION, request_)
    record = commands.store.find(request_.request_id)
    assert (clock.now() - record.started_at).total_seconds() == 300


def test_started_command_is_open_with_a_tick_until_its_end_is_known(commands, started, stopped):
    assert commands.store.open_ids() == [started.request_id]
    assert commands.tick.ensured == 1
    commands.complete(stopped())
    assert commands.store.open_ids() == []


def test_stores_and_starts_nothing_when_the_command_is_invalid(commands):
    with pytest.raises(InvalidCommandError):
        commands.start([], "request-1", TASK_DEFINITION)
    assert commands.store.records == {}
    assert commands.runner.tasks == {}


def test_answers_success_when_the_task_succeeded(commands, started, stopped, channel):
    completed = commands.complete(stopped())
    assert completed.completion is Completion.COMPLETED
    assert channel.answer["Status"] == "SUCCESS"
    assert channel.answer["PhysicalResourceId"] == "DatabaseMigration"


def test_answers_failed_with_the_log_when_the_task_failed(commands, started, stopped, channel):
    commands.complete(stopped("task-stopped-failed"))
    assert channel.answer["Status"] == "FAILED"
    assert "last line of 4f6e8d2c" in channel.answer["Reason"]


def test_answers_once_when_the_event_comes_twice(commands, started, stopped, channel):
    commands.complete(stopped())
    assert commands.complete(stopped()).completion is Completion.ALREADY_COMPLETED
    assert len(channel.bodies) == 1


def test_loses_no_answer_when_it_crashes_after_answering(commands, started, stopped, channel):
    commands.store.crash_before_mark = True
    with pytest.raises(ConnectionError):
        commands.complete(stopped())
    commands.complete(stopped())
    # The same answer twice, which CloudFormation ignores, instead of none.
    assert channel.bodies[0] == channel.bodies[1]
    assert commands.complete(stopped()).completion is Completion.ALREADY_COMPLETED


def test_loses_no_answer_when_it_cannot_be_delivered_at_first(commands, started, stopped, channel):
    channel.error = ConnectionError("no way")
    with pytest.raises(ConnectionError):
        commands.complete(stopped())
    assert commands.store.marks == {}
    channel.error = None
    commands.complete(stopped())
    assert channel.answer["Status"] == "SUCCESS"


def test_marks_a_direct_calls_command_without_answering(commands, request_, stopped, channel):
    commands.start(["dags", "list"], request_.request_id, TASK_DEFINITION)
    completed = commands.complete(stopped("task-stopped-failed"))
    assert completed.completion is Completion.COMPLETED
    outcome = commands.store.marks[request_.request_id]
    assert outcome.exit_code == 1
    assert "exit code 1" in outcome.reason
    assert outcome.log_tail == [f"last line of {FIRST_TASK}"]
    assert channel.bodies == []


def test_keeps_no_log_of_a_command_that_may_print_secrets(commands, request_, stopped):
    commands.start(["variables", "set", "a", "b"], request_.request_id, TASK_DEFINITION)
    commands.complete(stopped("task-stopped-failed"))
    outcome = commands.store.marks[request_.request_id]
    assert outcome.log_tail == [
        "(Not shown, because this command may print secrets: read its log.)"
    ]
    assert FIRST_TASK not in str(outcome.log_tail)


@pytest.mark.parametrize("started_by", ["", "ecs-svc/1234567890123456789", "somebody"])
def test_ignores_a_task_when_it_was_not_started_here(commands, started_by, channel):
    task = StoppedTask.from_event({"taskArn": "arn:task/x", "startedBy": started_by}, "command")
    assert commands.complete(task).completion is Completion.NOT_OURS
    assert channel.bodies == []


def test_passes_the_size_to_the_task(commands):
    commands.start(["dags", "list"], "request-1", TASK_DEFINITION, size=TaskSize(1024, 4096))
    record, _ = commands.runner.started[0]
    assert record.size == TaskSize(1024, 4096)


def test_refuses_a_second_command_while_one_changes_the_database(commands):
    commands.start(MIGRATE, "request-1", TASK_DEFINITION)
    with pytest.raises(CommandBusyError, match="request-1"):
        commands.start(["db", "clean", "--yes"], "request-2", TASK_DEFINITION)
    assert len(commands.runner.started) == 1
    # A refused command is closed, and may be started again.
    assert commands.store.open_ids() == ["request-1"]
    commands.start(["dags", "list"], "request-3", TASK_DEFINITION)
    assert len(commands.runner.started) == 2


def test_runs_the_next_command_when_the_first_has_ended(commands):
    commands.start(MIGRATE, "request-1", TASK_DEFINITION)
    commands.complete(commands.runner.ends("request-1", exit_code=1))
    commands.start(MIGRATE, "request-2", TASK_DEFINITION)
    assert commands.store.locks == {"database": "request-2"}


def test_takes_the_lock_when_the_end_of_its_holder_was_missed(commands, reports):
    commands.start(MIGRATE, "request-1", TASK_DEFINITION)
    commands.runner.ends("request-1")
    commands.start(MIGRATE, "request-2", TASK_DEFINITION)
    assert commands.store.locks == {"database": "request-2"}
    assert [request_id for request_id, _ in reports] == ["request-1"]


def test_takes_the_lock_when_its_holder_is_not_open(commands):
    commands.store.locks["database"] = "request-0"
    commands.start(MIGRATE, "request-1", TASK_DEFINITION)
    assert commands.store.locks == {"database": "request-1"}


def test_waits_for_the_lock_as_long_as_the_caller_allows(commands, request_, clock):
    commands.start(MIGRATE, "request-1", TASK_DEFINITION)
    clock.while_sleeping = lambda: commands.runner.ends("request-1")
    commands.start(MIGRATE, request_.request_id, TASK_DEFINITION, request_, patience_seconds=90)
    assert commands.store.locks == {"database": request_.request_id}


def test_gives_up_when_the_lock_is_not_free_in_time(commands, request_, clock):
    begin = clock.now()
    commands.start(MIGRATE, "request-1", TASK_DEFINITION)
    with pytest.raises(CommandBusyError):
        commands.start(MIGRATE, request_.request_id, TASK_DEFINITION, request_, patience_seconds=90)
    assert (clock.now() - begin).total_seconds() == 90


def test_keeps_the_lock_when_only_the_answer_was_sent(commands, request_, started):
    commands.give_up(commands.store.find(started.request_id), "It takes too long")
    assert commands.store.locks == {"database": started.request_id}
    assert commands.store.open_ids() == [started.request_id]


def test_cleans_up_when_ecs_refuses_the_task(commands):
    commands.runner.error = TaskNotStartedError("Cluster not found.")
    with pytest.raises(TaskNotStartedError):
        commands.start(MIGRATE, "request-1", TASK_DEFINITION)
    assert commands.store.open_ids() == []
    assert commands.store.locks == {}


def test_stays_open_when_ecs_may_have_started_the_task(commands):
    commands.runner.error = AwsCallError("Read timeout")
    with pytest.raises(AwsCallError):
        commands.start(MIGRATE, "request-1", TASK_DEFINITION)
    assert commands.store.open_ids() == ["request-1"]
    assert commands.store.find("request-1").abandoned
    # A repetition of the same call continues it.
    commands.runner.error = None
    commands.start(MIGRATE, "request-1", TASK_DEFINITION)
    assert not commands.store.find("request-1").abandoned


def test_reports_once_when_the_event_comes_twice(commands, started, stopped, reports):
    commands.complete(stopped())
    commands.complete(stopped())
    assert [request_id for request_id, _ in reports] == [started.request_id]
