"""Start a command, and answer the caller when its task has stopped.

The two steps are different calls of the function, up to an hour apart, and each may happen more
than once (Lambda repeats, EventBridge delivers at least once) or not at all. So:

1. The request is stored and recorded as open before the task starts. So no task can stop without a
   record to answer from, and the sweep (sweep.py) finds an end whose event was lost.
2. The request's id is the task's client token: repeating the start starts no second task.
3. The answer is sent first and marked as sent afterwards. A crash between the two sends the same
   answer twice, which CloudFormation ignores. In the other order the answer would be lost, and
   CloudFormation would wait for the rest of the hour.
4. A command is closed, and its lock released, when its task has ended; not when only the answer has
   been sent.
"""

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import Enum, auto

from run_airflow_command.commands.airflow_cli import lock_of
from run_airflow_command.commands.printed_secrets import LOG_NOT_KEPT, log_may_be_kept
from run_airflow_command.commands.record import CommandRecord
from run_airflow_command.commands.task_outcome import answer_for, outcome_of
from run_airflow_command.commands.task_overrides import TaskSize
from run_airflow_command.commands.validation import checked_command
from run_airflow_command.ports import (
    CommandLogs,
    CommandStore,
    Outcome,
    TaskNotStartedError,
    TaskRunner,
    Tick,
)
from shared.cloudformation.custom_resource import (
    Answer,
    AnswerChannel,
    CustomResourceRequest,
    send_answer,
)
from shared.errors import AwsCallError
from shared.fargate import StoppedTask, task_id

_LOCK_POLL_SECONDS = 5


class CommandBusyError(Exception):
    """Another command holds the lock that this one needs."""


@dataclass(frozen=True)
class StartedCommand:
    """A started command's task and log."""

    request_id: str
    task_arn: str
    log_group: str
    log_stream: str


class Completion(Enum):
    """The result of handling a stopped task."""

    COMPLETED = auto()
    ALREADY_COMPLETED = auto()
    NOT_OURS = auto()


@dataclass(frozen=True)
class CompletedCommand:
    completion: Completion
    record: CommandRecord | None = None
    outcome: Outcome | None = None


def _nobody(record: CommandRecord, outcome: Outcome) -> None:
    """Reports nothing."""


def _now() -> datetime:
    return datetime.now(UTC)


def _nothing(task: StoppedTask) -> None:
    """Does nothing: most commands leave nothing to clean up."""


@dataclass(frozen=True)
class Commands:
    runner: TaskRunner
    store: CommandStore
    logs: CommandLogs
    channel: AnswerChannel
    tick: Tick
    # Called once for each command, when its end is known.
    report: Callable[[CommandRecord, Outcome], None] = _nobody
    now: Callable[[], datetime] = _now
    sleep: Callable[[float], None] = time.sleep
    # Cleans up after a task that has ended. Called before the answer, because CloudFormation
    # continues with the answer; also after it, because a task may outlive its answer.
    before_answer: Callable[[StoppedTask], None] = _nothing

    def start(
        self,
        command: object,
        request_id: str,
        task_definition_arn: str,
        request: CustomResourceRequest | None = None,
        *,
        size: TaskSize | None = None,
        maintenance: str | None = None,
        patience_seconds: float = 0,
    ) -> StartedCommand:
        """Start the command once. It may wait `patience_seconds` for its lock."""
        words = checked_command(command, size)
        record = self.store.find(request_id)
        if record is not None and self.store.is_completed(request_id):
            return self._started(record)
        if record is None or record.abandoned:
            record = CommandRecord(
                request_id, words, request, size, self.now(), maintenance=maintenance
            )
            self.store.save(record)
        self.store.open(request_id)
        try:
            # Before the task: if this call is cut off, the sweep must run.
            self.tick.ensure()
            self._lock(record, patience_seconds)
            task_arn = self.runner.run(record, task_definition_arn)
        except Exception as error:
            self._abandon(record, error)
            raise
        record = replace(record, task_arn=task_arn)
        self.store.save(record)
        return self._started(record)

    def complete(self, task: StoppedTask) -> CompletedCommand:
        """Answer the caller of a stopped task, unless that was done or it is not a command."""
        record = self.store.find(task.started_by) if task.started_by else None
        if record is None:
            return CompletedCommand(Completion.NOT_OURS)
        self.before_answer(task)
        if self.store.is_completed(record.request_id):
            self.close(record)
            return CompletedCommand(Completion.ALREADY_COMPLETED, record)
        # CloudFormation shows no reason for a success.
        unread = task.succeeded and record.request is not None
        log_lines: Sequence[str] = () if unread else (LOG_NOT_KEPT,)
        if not unread and log_may_be_kept(record.command):
            log_lines = self.logs.tail(task.id)
        outcome = outcome_of(task, log_lines)
        if record.request is not None:
            send_answer(record.request, answer_for(task, log_lines), self.channel)
        completion = self._mark(record, outcome)
        self.close(record)
        return CompletedCommand(completion, record, outcome)

    def give_up(self, record: CommandRecord, reason: str) -> None:
        """Report failure to the caller, although the task is not known to have stopped."""
        if record.request is not None:
            send_answer(record.request, Answer("FAILED", reason), self.channel)
        self._mark(record, Outcome(None, reason))

    def close(self, record: CommandRecord) -> None:
        """The task has ended, or was never started: release the lock, and end the sweep for it."""
        if lock := lock_of(record.command):
            self.store.release_lock(lock, record.request_id)
        self.store.close(record.request_id)

    def _mark(self, record: CommandRecord, outcome: Outcome) -> Completion:
        if not self.store.complete(record.request_id, outcome):
            return Completion.ALREADY_COMPLETED
        self.report(record, outcome)
        return Completion.COMPLETED

    def _lock(self, record: CommandRecord, patience_seconds: float) -> None:
        lock = lock_of(record.command)
        if lock is None:
            return
        give_up_at = self.now().timestamp() + patience_seconds
        while holder := self.store.take_lock(lock, record.request_id):
            if self._has_ended(holder):
                self.store.release_lock(lock, holder)
            elif self.now().timestamp() >= give_up_at:
                raise CommandBusyError(
                    f"Another command that changes the database is running (request {holder}): "
                    "wait until it has ended, or stop its task"
                )
            else:
                self.sleep(_LOCK_POLL_SECONDS)

    def _has_ended(self, holder: str) -> bool:
        """Whether the lock is stale: its holder has ended without releasing it."""
        if not self.store.is_open(holder):
            return True
        record = self.store.find(holder)
        task = self.runner.find(record) if record else None
        if task is None or task.stopped is None:
            return False
        self.complete(task.stopped)
        return True

    def _abandon(self, record: CommandRecord, error: Exception) -> None:
        """The start has failed, and the error reports that to the caller.

        After a refusal the command is closed. Otherwise ECS may have started the task nevertheless:
        the command stays open, so that the sweep stops the task if there is one.
        """
        # The sweep cleans up if this fails.
        with contextlib.suppress(AwsCallError):
            if isinstance(error, CommandBusyError | TaskNotStartedError):
                self.close(record)
            else:
                self.store.save(replace(record, abandoned=True))

    def _started(self, record: CommandRecord) -> StartedCommand:
        task_arn = record.task_arn or ""
        log_group, log_stream = self.logs.location(task_id(task_arn))
        return StartedCommand(record.request_id, task_arn, log_group, log_stream)
