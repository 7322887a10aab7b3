"""Find what no event has announced: lost ends, tasks that never start or never end.

Nothing ticks while nothing is open. A start makes the tick, and the sweep renews it as long as it
finds an open command; the last tick finds none and is not renewed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

from run_airflow_command.commands import deadlines
from run_airflow_command.commands.lifecycle import Commands, Completion
from run_airflow_command.commands.record import CommandRecord
from run_airflow_command.ports import SeenTask


class Finding(Enum):
    """What a look at one open command has found."""

    RUNNING = auto()
    END_WAS_MISSED = auto()
    ENDED = auto()
    STOPPED = auto()
    GIVEN_UP = auto()
    GONE = auto()


@dataclass(frozen=True)
class Sweep:
    commands: Commands
    # Called for a command that could not be looked after; the next look tries again.
    failed: Callable[[str, Exception], None]

    def run(self) -> dict[str, Finding]:
        """Look after every open command."""
        open_ids = self.commands.store.open_ids()
        if open_ids:
            # First: a sweep that is cut off is resumed.
            self.commands.tick.ensure()
        findings = {}
        for request_id in open_ids:
            try:
                findings[request_id] = self._look_after(request_id)
            except Exception as error:
                # One that cannot be helped must not keep the others from being looked after.
                self.failed(request_id, error)
        return findings

    def _look_after(self, request_id: str) -> Finding:
        commands = self.commands
        record = commands.store.find(request_id)
        if record is None:
            commands.store.close(request_id)
            return Finding.GONE
        task = commands.runner.find(record)
        if self._nobody_waits(record):
            return self._clear_up(record, task)
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

    def _nobody_waits(self, record: CommandRecord) -> bool:
        return (
            record.abandoned
            or deadlines.is_forgotten(record, self.commands.now())
            or self.commands.store.is_completed(record.request_id)
        )

    def _clear_up(self, record: CommandRecord, task: SeenTask | None) -> Finding:
        """No task goes on for a request that has been answered."""
        if task is not None and task.stopped is None:
            self._stop(task, "Nobody waits for this command any more")
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
            return f"The command did not end within {seconds} s and is stopped"
        return None

    def _stop(self, task: SeenTask, reason: str) -> None:
        if not task.stopping:
            self.commands.runner.stop(task.arn, reason)
