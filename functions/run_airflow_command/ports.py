"""What running commands needs from AWS."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from run_airflow_command.commands.record import CommandRecord
from shared.errors import AwsCallError
from shared.fargate import StoppedTask


@dataclass(frozen=True)
class SeenTask:
    """A command's task as ECS describes it. `stopped` tells how it ended; None before that."""

    arn: str
    status: str
    has_run: bool
    stopping: bool
    stopped: StoppedTask | None = None


@dataclass(frozen=True)
class Outcome:
    """How a command ended, as it is stored for later calls."""

    exit_code: int | None
    reason: str
    log_tail: Sequence[str] = ()


class TaskNotStartedError(AwsCallError):
    """ECS has certainly refused: there is no task, and there will be none."""


class TaskRunner(Protocol):
    """Starts, finds and stops command tasks."""

    def run(self, record: CommandRecord, task_definition_arn: str) -> str:
        """Start the record's command once, however often this is called; returns the task's ARN."""

    def find(self, record: CommandRecord) -> SeenTask | None:
        """The record's task; None when ECS knows none, which may also happen just after a start."""

    def stop(self, task_arn: str, reason: str) -> None: ...

    def remaining(self) -> Sequence[str]:
        """The tasks of all commands that have not stopped yet."""


class CommandStore(Protocol):
    """Stores commands from their start to their answer, and which of them may still run."""

    def save(self, record: CommandRecord) -> None: ...

    def find(self, request_id: str) -> CommandRecord | None: ...

    def is_completed(self, request_id: str) -> bool: ...

    def complete(self, request_id: str, outcome: Outcome) -> bool:
        """Mark the command as answered; False if it already was."""

    def outcome(self, request_id: str) -> Outcome | None: ...

    def open(self, request_id: str) -> None:
        """Add the command to those that the sweep checks."""

    def is_open(self, request_id: str) -> bool: ...

    def close(self, request_id: str) -> None:
        """Its task has certainly ended."""

    def open_ids(self) -> Sequence[str]: ...

    def take_lock(self, name: str, request_id: str) -> str | None:
        """None if this command now holds the lock, otherwise the id of its holder."""

    def release_lock(self, name: str, request_id: str) -> None:
        """Release the lock if this command holds it."""


class CommandLogs(Protocol):
    """The output of commands."""

    def tail(self, task_id: str) -> Sequence[str]:
        """The last lines, oldest first; empty if there are none or they cannot be read."""

    def location(self, task_id: str) -> tuple[str, str]:
        """The log group and the log stream."""


class Tick(Protocol):
    """The next call of the sweep."""

    def ensure(self) -> None:
        """Make sure that it comes within about a minute."""
