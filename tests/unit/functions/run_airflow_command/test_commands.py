"""Starting and answering: nothing is started twice, no answer is lost."""

import pytest

from run_airflow_command.command import CommandRecord, InvalidCommandError
from run_airflow_command.commands import Commands, Completion
from shared.custom_resource import CustomResourceRequest
from shared.fargate import StoppedTask

TASK_DEFINITION = "arn:aws:ecs:us-east-1:111122223333:task-definition/airflow-command:3"


class InMemoryTaskRunner:
    def __init__(self, store):
        self.store = store
        self.tasks = {}
        self.error = None

    def run(self, record, task_definition_arn):
        # A task can stop before the call that started it returns.
        assert self.store.find(record.request_id) == record
        if self.error:
            raise self.error
        arn = f"arn:aws:ecs:us-east-1:111122223333:task/cluster/task-{len(self.tasks)}"
        return self.tasks.setdefault(record.request_id, arn)


class InMemoryCommandStore:
    def __init__(self):
        self.records = {}
        self.marks = {}
        self.crash_before_mark = False

    def save(self, record):
        self.records[record.request_id] = record.to_bytes()

    def find(self, request_id):
        data = self.records.get(request_id)
        return CommandRecord.from_bytes(data) if data else None

    def is_completed(self, request_id):
        return request_id in self.marks

    def complete(self, request_id, exit_code, reason):
        if self.crash_before_mark:
            self.crash_before_mark = False
            raise ConnectionError("crashed")
        if request_id in self.marks:
            return False
        self.marks[request_id] = (exit_code, reason)
        return True


class InMemoryCommandLogs:
    def tail(self, task_id):
        return [f"last line of {task_id}"]

    def location(self, task_id):
        return "log-group", f"command/airflow/{task_id}"


@pytest.fixture
def commands(channel):
    store = InMemoryCommandStore()
    return Commands(InMemoryTaskRunner(store), store, InMemoryCommandLogs(), channel)


@pytest.fixture
def request_(sample_event):
    return CustomResourceRequest.from_event(
        sample_event("run_airflow_command/custom-resource-create")
    )


@pytest.fixture
def stopped(sample_event):
    return lambda name="task-stopped": StoppedTask.from_event(
        sample_event(f"run_airflow_command/{name}")["detail"]
    )


@pytest.fixture
def started(commands, request_):
    return commands.start(["db", "migrate"], request_.request_id, TASK_DEFINITION, request_)


def test_tells_where_to_look_when_started(started, request_):
    assert started.request_id == request_.request_id
    assert started.task_arn.endswith("task/cluster/task-0")
    assert (started.log_group, started.log_stream) == ("log-group", "command/airflow/task-0")


def test_starts_no_second_task_when_the_start_is_repeated(commands, request_, started):
    again = commands.start(["db", "migrate"], request_.request_id, TASK_DEFINITION, request_)
    assert again == started
    assert len(commands.runner.tasks) == 1


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
    # Twice the same, which CloudFormation ignores, rather than never.
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


def test_marks_but_answers_nobody_when_a_person_started_it(commands, request_, stopped, channel):
    commands.start(["dags", "list"], request_.request_id, TASK_DEFINITION)
    completed = commands.complete(stopped("task-stopped-failed"))
    assert completed.completion is Completion.COMPLETED
    exit_code, reason = commands.store.marks[request_.request_id]
    assert exit_code == 1
    assert "exit code 1" in reason
    assert channel.bodies == []


@pytest.mark.parametrize("started_by", ["", "ecs-svc/1234567890123456789", "somebody"])
def test_ignores_a_task_when_it_was_not_started_here(commands, started_by, channel):
    task = StoppedTask.from_event({"taskArn": "arn:task/x", "startedBy": started_by})
    assert commands.complete(task).completion is Completion.NOT_OURS
    assert channel.bodies == []
