"""What running commands needs of AWS."""

from collections.abc import Sequence
from typing import Protocol

from run_airflow_command.command import CommandRecord


class TaskRunner(Protocol):
    """Starts command tasks."""

    def run(self, record: CommandRecord, task_definition_arn: str) -> str:
        """Start the record's command once, however often it is asked for; the task's ARN."""


class CommandStore(Protocol):
    """Remembers commands from their start to their answer."""

    def save(self, record: CommandRecord) -> None: ...

    def find(self, request_id: str) -> CommandRecord | None: ...

    def is_completed(self, request_id: str) -> bool: ...

    def complete(self, request_id: str, exit_code: int | None, reason: str) -> bool:
        """Mark the command as completed; False when it was already."""


class CommandLogs(Protocol):
    """The output of commands."""

    def tail(self, task_id: str) -> Sequence[str]:
        """The last lines, oldest first; nothing when there are none or they cannot be read."""

    def location(self, task_id: str) -> tuple[str, str]:
        """The log group and the log stream."""
