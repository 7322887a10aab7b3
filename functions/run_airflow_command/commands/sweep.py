"""Find ends whose events were lost, and tasks that never start or never end.

There is no tick while no command is open. A start sets the tick, and the sweep sets it again as
long as it finds an open command; the last tick finds none and is not set again.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

from run_airflow_command.commands import deadlines
from run_airflow_command.commands.lifecycle import Commands, Completion
from run_airflow_command.commands.record import CommandRecord
from run_airflow_command.ports import SeenTask


class Finding(Enum):
    """The result of checking one open command."""

    RUNNING = auto()
    END_WAS_MISSED = auto()
    ENDED = auto()
    STOPPED = auto()
    GIVEN_UP = auto()
    GONE = auto()


@dataclass(frozen=True)
class Sweep:
    commands: Commands
    # Called for a command that could not be checked; the next sweep tries again.
    failed: Callable[[str, Exception], None]

    def run(self) -> dict[str, Finding]:
        """Check every open command."""
        open_ids = self.commands.store.open_ids()
        if open_ids:
            # First, so that a sweep that is cut off is repeated.
            self.commands.tick.ensure()
        findings = {}
        for request_id in open_ids:
            try:
                findings[request_id] = self._check(request_id)
            except Exception as error:
                # One error must not prevent the other commands from being checked.
                self.failed(request_id, error)
        return findings

    def _check(self, request_id: str) -> Finding:
        commands = self.commands
        record = commands.store.find(request_id)
        if record is None:
            commands.store.close(request_id)
            return Finding.GONE
        task = commands.runner.find(record)
        if self._needs_no_answer(record):
            return self._clean_up(record, task)
        if task is not None and task.stopped is not None:
            completed = commands.complete(task.stopped)
            missed = completed.completion is Completion.COMPLETED
            return Finding.END_WAS_MISSED if missed else Finding.ENDED
        problem = self._problem(record, task)
        if problem is None:
            return Finding.RUNNING
        if task is None:
            commands.give_up(record, problem)
            commands.close(record)
            return Finding.GIVEN_UP
        self._stop(task, problem)
        if commands.now() >= deadlines.answer_at(record):
            commands.give_up(record, problem)
            return Finding.GIVEN_UP
        return Finding.STOPPED

    def _needs_no_answer(self, record: CommandRecord) -> bool:
        return (
            record.abandoned
            or deadlines.is_forgotten(record, self.commands.now())
            or self.commands.store.is_completed(record.request_id)
        )

    def _clean_up(self, record: CommandRecord, task: SeenTask | None) -> Finding:
        """Stop the task of a request that has been answered."""
        if task is not None and task.stopped is None:
            self._stop(task, "The caller no longer waits for this command")
            return Finding.STOPPED
        if task is None and self.commands.now() < deadlines.start_by(record):
            return Finding.RUNNING
        self.commands.close(record)
        return Finding.ENDED

    def _problem(self, record: CommandRecord, task: SeenTask | None) -> str | None:
        now = self.commands.now()
        seconds = round((now - record.started_at).total_seconds())
        if task is None and now >= deadlines.start_by(record):
            return (
                f"ECS knows no task of this command {seconds} s after the request: it was not "
                "started, or its end was missed for an hour"
            )
        if task is not None and not task.has_run and now >= deadlines.start_by(record):
            return f"The task did not start within {seconds} s: it is still {task.status}"
        if now >= deadlines.stop_at(record):
            return f"The command did not end within {seconds} s and was stopped"
        return None

    def _stop(self, task: SeenTask, reason: str) -> None:
        if not task.stopping:
            self.commands.runner.stop(task.arn, reason)
