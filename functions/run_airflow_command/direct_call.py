"""Direct calls of this function by a person, a script or a schedule.

{"command": ["dags", "list"]}   start it; optional "cpu" and "memory", "wait", "requestId"
{"requestId": "…"}              its result; optional "wait"
{"maintenance": "db-clean"}     what the weekly schedule starts; optional "retentionDays", "wait",
                                "requestId"; or "rotate-secret fernet-key", as the word
                                rotate-secrets of Options schedules it

A call with a "requestId" of the caller's choice may be repeated: it starts nothing twice.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from run_airflow_command.commands.airflow_cli import InvalidCommandError
from run_airflow_command.commands.task_overrides import TaskSize
from run_airflow_command.commands.validation import checked_request_id

_KINDS = {
    "command": {"command", "cpu", "memory", "wait", "requestId"},
    "maintenance": {"maintenance", "retentionDays", "wait", "requestId"},
    "requestId": {"requestId", "wait"},
}
# AWS's clients, including sam remote invoke, give up after 60 s without an answer and then repeat
# the call, which would run the command again. A caller that passes a requestId, or has set a longer
# timeout, may ask to wait longer.
_WAIT_SECONDS = 45


@dataclass(frozen=True)
class DirectCall:
    command: object
    size: TaskSize | None
    request_id: str | None
    maintenance: object
    retention_days: int | None
    wait_seconds: float

    @property
    def asks(self) -> bool:
        """Whether it only asks for the result of a command."""
        return self.command is None and self.maintenance is None


def is_direct_call(event: Mapping[str, Any]) -> bool:
    return any(kind in event for kind in _KINDS)


def direct_call(event: Mapping[str, Any]) -> DirectCall:
    """The call, or InvalidCommandError with what to change."""
    kind = next(kind for kind in _KINDS if kind in event)
    unknown = sorted(set(event) - _KINDS[kind])
    if unknown:
        raise InvalidCommandError(
            f"Unknown beside '{kind}': {', '.join(unknown)}. Possible are: "
            f"{', '.join(sorted(_KINDS[kind] - {kind}))}"
        )
    request_id = event.get("requestId")
    return DirectCall(
        # "command": null asks for a command, too; the validation refuses it.
        command=event["command"] if event.get("command") is not None else _absent(kind),
        size=TaskSize.checked(event.get("cpu"), event.get("memory")),
        request_id=None if request_id is None else checked_request_id(request_id),
        maintenance=event.get("maintenance") if kind == "maintenance" else None,
        retention_days=_days(event.get("retentionDays")),
        wait_seconds=_wait_seconds(event.get("wait", False)),
    )


def _absent(kind: str) -> object:
    return [] if kind == "command" else None


def _wait_seconds(value: object) -> float:
    if isinstance(value, bool):
        return _WAIT_SECONDS if value else 0
    if isinstance(value, int | float) and value >= 0:
        return float(value)
    raise InvalidCommandError('"wait" must be true, false, or the maximum number of seconds')


def _days(value: object) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InvalidCommandError('"retentionDays" must be a whole number of at least 1')
    return value
