"""What running commands needs of AWS."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from run_airflow_command.commands.record import CommandRecord
from shared.errors import AwsCallError
from shared.fargate import StoppedTask


@dataclass(frozen=True)
class SeenTask:
    """A command's task as ECS describes it. `stopped` says how it ended, once it has."""

    arn: str
    status: str
    has_run: bool
    stopping: bool
    stopped: StoppedTask | None = None


@dataclass(frozen=True)
class Outcome:
    """How a command ended, as it is kept for whoever asks later."""

    exit_code: int | None
    reason: str
    log_tail: Sequence[str] = ()


class TaskNotStartedError(AwsCallError):
    """ECS has refused for certain: there is no task, and there will be none."""


class TaskRunner(Protocol):
    """Starts command tasks, and knows what became of them."""

    def run(self, record: CommandRecord, task_definition_arn: str) -> str:
        """Start the record's command once, however often it is asked for; the task's ARN."""

    def find(self, record: CommandRecord) -> SeenTask | None:
        """The record's task; None when ECS knows none, which is also so just after a start."""

    def stop(self, task_arn: str, reason: str) -> None: ...

    def remaining(self) -> Sequence[str]:
        """The tasks of all commands that have not stopped yet."""


class CommandStore(Protocol):
    """Remembers commands from their start to their answer, and which of them may still run."""

    def save(self, record: CommandRecord) -> None: ...

    def find(self, request_id: str) -> CommandRecord | None: ...

    def is_completed(self, request_id: str) -> bool: ...

    def complete(self, request_id: str, outcome: Outcome) -> bool:
        """Mark the command as answered; False when it was already."""

    def outcome(self, request_id: str) -> Outcome | None: ...

    def open(self, request_id: str) -> None:
        """Put the command among those that the sweep looks after."""

    def is_open(self, request_id: str) -> bool: ...

    def close(self, request_id: str) -> None:
        """Its task has ended for certain."""

    def open_ids(self) -> Sequence[str]: ...

    def take_lock(self, name: str, request_id: str) -> str | None:
        """None when the lock is this command's now, otherwise the id of its holder."""

    def release_lock(self, name: str, request_id: str) -> None:
        """Give the lock back if it is this command's."""


class CommandLogs(Protocol):
    """The output of commands."""

    def tail(self, task_id: str) -> Sequence[str]:
        """The last lines, oldest first; nothing when there are none or they cannot be read."""

    def location(self, task_id: str) -> tuple[str, str]:
        """The log group and the log stream."""


class Tick(Protocol):
    """The appointment to look again."""

    def ensure(self) -> None:
        """Have one within about a minute."""
