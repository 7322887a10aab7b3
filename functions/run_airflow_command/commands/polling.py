"""Wait for a command's result, or return its progress."""

from dataclasses import dataclass
from typing import Any

from run_airflow_command.commands.airflow_cli import InvalidCommandError
from run_airflow_command.commands.lifecycle import Commands
from run_airflow_command.commands.record import CommandRecord
from run_airflow_command.ports import Outcome
from shared.fargate import task_id

_POLL_SECONDS = 3


@dataclass(frozen=True)
class CommandPolling:
    commands: Commands

    def wait(self, request_id: str, seconds: float) -> dict[str, Any]:
        """The result, or the progress when the time is over."""
        until = self.commands.now().timestamp() + seconds
        while True:
            result = self._result(request_id)
            left = until - self.commands.now().timestamp()
            if result["status"] in ("SUCCEEDED", "FAILED", "NOT_STARTED") or left <= 0:
                return result
            self.commands.sleep(min(_POLL_SECONDS, left))

    def _result(self, request_id: str) -> dict[str, Any]:
        record = self.commands.store.find(request_id)
        if record is None:
            raise InvalidCommandError(
                f"There is no command with the requestId {request_id}; commands are kept for a week"
            )
        outcome = self.commands.store.outcome(request_id)
        if outcome is not None:
            return self._ended(record, outcome)
        task = self.commands.runner.find(record)
        if task is not None and task.stopped is not None:
            # The end was seen here before its event: the event's call finds it completed.
            outcome = self.commands.complete(task.stopped).outcome
            outcome = outcome or self.commands.store.outcome(request_id)
            if outcome is not None:
                return self._ended(record, outcome)
        if task is None and not self.commands.store.is_open(request_id):
            return self._report(record, "NOT_STARTED", message="The command was not started")
        status = task.status if task else "STARTING"
        message = f'Still {status}: ask again with {{"requestId": "{request_id}"}}'
        return self._report(record, status, message=message)

    def _ended(self, record: CommandRecord, outcome: Outcome) -> dict[str, Any]:
        return self._report(
            record,
            "SUCCEEDED" if outcome.exit_code == 0 else "FAILED",
            exitCode=outcome.exit_code,
            reason=outcome.reason,
            logTail=list(outcome.log_tail),
        )

    def _report(self, record: CommandRecord, status: str, **more: Any) -> dict[str, Any]:
        place: dict[str, Any] = {}
        if record.task_arn:
            log_group, log_stream = self.commands.logs.location(task_id(record.task_arn))
            place = {"taskArn": record.task_arn, "logGroup": log_group, "logStream": log_stream}
        return {
            "requestId": record.request_id,
            "command": list(record.command),
            "status": status,
            **more,
            **place,
        }
