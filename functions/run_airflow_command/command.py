"""An Airflow CLI command, and the record kept of it until it has been answered."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from shared.custom_resource import CustomResourceRequest
from shared.fargate import CONTAINER_NAME

# The one command that may write secrets and restart services: it runs with a role of its own.
ROTATE_SECRET = "rotate-secret"  # noqa: S105 - a command
# RunTask's limit, JSON characters included.
MAX_OVERRIDES_CHARACTERS = 8192


class InvalidCommandError(Exception):
    """The command cannot be run; nothing was started."""


class InvalidRecordError(Exception):
    """The stored record of a command cannot be read."""


def checked_command(value: object) -> tuple[str, ...]:
    """The command as a tuple, or InvalidCommandError with what to change."""
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        raise InvalidCommandError(
            'The command must be a list of strings, such as ["dags", "list"]; it is: '
            f"{type(value).__name__}"
            + (" with other things in it" if isinstance(value, list) else "")
        )
    if not value or not value[0].strip():
        raise InvalidCommandError('The command is empty: give one, such as ["dags", "list"]')
    if value[0] == "airflow":
        raise InvalidCommandError("Leave out the leading 'airflow': the image adds it")
    size = len(json.dumps(overrides(value)))
    if size > MAX_OVERRIDES_CHARACTERS:
        raise InvalidCommandError(
            f"The command takes {size} characters of the {MAX_OVERRIDES_CHARACTERS} that ECS "
            "allows: shorten it, or put the data where the command can read it"
        )
    return tuple(value)


def overrides(command: list[str], rotation_task_role_arn: str = "") -> dict[str, Any]:
    """RunTask's overrides. Whoever may describe tasks reads them: never a secret here."""
    container = {"containerOverrides": [{"name": CONTAINER_NAME, "command": command}]}
    if command[0] == ROTATE_SECRET and rotation_task_role_arn:
        return {**container, "taskRoleArn": rotation_task_role_arn}
    return container


@dataclass(frozen=True)
class CommandRecord:
    """Who asked for which command. `request` is None for a direct invocation."""

    request_id: str
    command: tuple[str, ...]
    request: CustomResourceRequest | None = field(default=None)

    def to_bytes(self) -> bytes:
        request = self.request.to_event() if self.request else None
        return json.dumps(
            {"request_id": self.request_id, "command": self.command, "request": request}
        ).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> "CommandRecord":
        try:
            document: Mapping[str, Any] = json.loads(data)
            request = document["request"]
            return cls(
                request_id=document["request_id"],
                command=tuple(document["command"]),
                request=CustomResourceRequest.from_event(request) if request else None,
            )
        except (ValueError, KeyError, TypeError) as error:
            # Without the cause: it may quote the record, and so the response URL.
            raise InvalidRecordError(
                f"The record is not what this function writes: {type(error).__name__}"
            ) from None
