"""Commands without AWS: every port in memory, and a clock that only the test moves."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest

from run_airflow_command import wiring
from run_airflow_command.aws.s3_upgrade_notes import S3UpgradeNotes
from run_airflow_command.commands.lifecycle import Commands
from run_airflow_command.commands.record import CommandRecord
from run_airflow_command.ports import SeenTask
from shared.cloudformation.custom_resource import CustomResourceRequest
from shared.fargate import StoppedTask

TASK_DEFINITION = "arn:aws:ecs:us-east-1:111122223333:task-definition/airflow-command:3"
# The task of the sample events.
FIRST_TASK = "4f6e8d2c1b3a49578f0e9d8c7b6a5948"


class InMemoryTaskRunner:
    def __init__(self, store):
        self.store = store
        self.tasks = {}
        self.started = []
        self.stops = []
        self.error = None

    def run(self, record, task_definition_arn):
        # A task can stop before the call that started it returns: all must be stored by then.
        assert self.store.find(record.request_id).command == record.command
        assert self.store.is_open(record.request_id)
        if self.error:
            raise self.error
        if record.request_id not in self.tasks:
            number = len(self.tasks)
            name = FIRST_TASK if number == 0 else f"task-{number}"
            arn = f"arn:aws:ecs:us-east-1:111122223333:task/airflow/{name}"
            self.tasks[record.request_id] = SeenTask(arn, "RUNNING", has_run=True, stopping=False)
            self.started.append((record, task_definition_arn))
        return self.tasks[record.request_id].arn

    def find(self, record):
        return self.tasks.get(record.request_id)

    def stop(self, task_arn, reason):
        self.stops.append((task_arn, reason))
        for request_id, task in self.tasks.items():
            if task.arn == task_arn:
                self.tasks[request_id] = replace(task, stopping=True)

    def remaining(self):
        return [task.arn for task in self.tasks.values() if task.stopped is None]

    def becomes(self, request_id, **changes):
        self.tasks[request_id] = replace(self.tasks[request_id], **changes)

    def ends(self, request_id, exit_code=0, reason="Essential container in task exited"):
        task = self.tasks[request_id]
        stopped = StoppedTask(task.arn, TASK_DEFINITION, request_id, reason, exit_code, "")
        self.becomes(request_id, status="STOPPED", stopped=stopped)
        return stopped


@dataclass
class InMemoryCommandStore:
    records: dict = field(default_factory=dict)
    marks: dict = field(default_factory=dict)
    opened: set = field(default_factory=set)
    locks: dict = field(default_factory=dict)
    crash_before_mark: bool = False

    def save(self, record):
        self.records[record.request_id] = record.to_bytes()

    def find(self, request_id):
        data = self.records.get(request_id)
        return CommandRecord.from_bytes(data) if data else None

    def is_completed(self, request_id):
        return request_id in self.marks

    def complete(self, request_id, outcome):
        if self.crash_before_mark:
            self.crash_before_mark = False
            raise ConnectionError("crashed")
        if request_id in self.marks:
            return False
        self.marks[request_id] = outcome
        return True

    def outcome(self, request_id):
        return self.marks.get(request_id)

    def open(self, request_id):
        self.opened.add(request_id)

    def is_open(self, request_id):
        return request_id in self.opened

    def close(self, request_id):
        self.opened.discard(request_id)

    def open_ids(self):
        return sorted(self.opened)

    def take_lock(self, name, request_id):
        holder = self.locks.setdefault(name, request_id)
        return None if holder == request_id else holder

    def release_lock(self, name, request_id):
        if self.locks.get(name) == request_id:
            del self.locks[name]


class InMemoryCommandLogs:
    def tail(self, task_id):
        return [f"last line of {task_id}"]

    def location(self, task_id):
        return "log-group", f"command/command/{task_id}"


@dataclass
class InMemoryTick:
    ensured: int = 0

    def ensure(self):
        self.ensured += 1


class Clock:
    def __init__(self):
        self.time = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
        self.while_sleeping = lambda: None

    def now(self):
        return self.time

    def sleep(self, seconds):
        self.time += timedelta(seconds=seconds)
        self.while_sleeping()

    def passes(self, **duration):
        self.time += timedelta(**duration)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def reports():
    """The reported ends of commands."""
    return []


@pytest.fixture
def commands(channel, clock, reports):
    store = InMemoryCommandStore()
    return Commands(
        InMemoryTaskRunner(store),
        store,
        InMemoryCommandLogs(),
        channel,
        InMemoryTick(),
        lambda record, outcome: reports.append((record.request_id, outcome)),
        clock.now,
        clock.sleep,
    )


@pytest.fixture
def wired(commands, monkeypatch):
    """The handler with these commands instead of AWS, and with its real reports."""

    def commands_from(settings, context, telemetry):
        return replace(commands, report=lambda *arguments: wiring.report_end(*arguments, telemetry))

    monkeypatch.setattr("run_airflow_command.handler.commands_from", commands_from)
    return commands


@pytest.fixture
def request_(sample_event):
    return CustomResourceRequest.from_event(
        sample_event("run_airflow_command/custom-resource-create")
    )


@pytest.fixture
def stopped(sample_event):
    return lambda name="task-stopped": StoppedTask.from_event(
        sample_event(f"run_airflow_command/{name}")["detail"], "command"
    )


@pytest.fixture
def started(commands, request_):
    return commands.start(["db", "migrate"], request_.request_id, TASK_DEFINITION, request_)


@pytest.fixture(autouse=True)
def nothing_is_stopped(monkeypatch):
    """Most commands stop no services."""
    monkeypatch.setattr(S3UpgradeNotes, "quiesced", lambda self: None)
