"""What a person, a script or a schedule may ask of this function.

{"command": ["dags", "list"]}   start it; beside it "cpu" and "memory", "wait", "requestId"
{"requestId": "…"}              what became of it; beside it "wait"
{"maintenance": "db-clean"}     as the weekly schedule asks; beside it "retentionDays", "wait",
                                "requestId"

Who gives a requestId of his own may repeat the call: it starts nothing twice.
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
# AWS's clients, sam remote invoke among them, give up after 60 s without an answer and then call
# again, which would run the command again. Who has given a requestId, or set a longer timeout, may
# ask for more.
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
        """Whether it only asks what became of a command."""
        return self.command is None and self.maintenance is None


def is_direct_call(event: Mapping[str, Any]) -> bool:
    return any(kind in event for kind in _KINDS)


def direct_call(event: Mapping[str, Any]) -> DirectCall:
    """The call, or InvalidCommandError with what to change."""
    kind = next(kind for kind in _KINDS if kind in event)
    unknown = sorted(set(event) - _KINDS[kind])
    if unknown:
        raise InvalidCommandError(
            f"Not understood beside '{kind}': {', '.join(unknown)}. There may be: "
            f"{', '.join(sorted(_KINDS[kind] - {kind}))}"
        )
    request_id = event.get("requestId")
    return DirectCall(
        # None asks for a command to be run as well, and is refused where commands are checked.
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
    raise InvalidCommandError('"wait" is true, false, or the most seconds to wait')


def _days(value: object) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InvalidCommandError('"retentionDays" is a whole number of days from 1 on')
    return value
