"""An Airflow CLI command, and the record kept of it until it has ended."""

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from run_airflow_command.airflow_cli import InvalidCommandError as InvalidCommandError
from run_airflow_command.airflow_cli import problem_of
from shared.custom_resource import CustomResourceRequest
from shared.fargate import CONTAINER_NAME
from shared.fargate_sizes import size_problem

# The one command that may write secrets and restart services: it runs with a role of its own.
ROTATE_SECRET = "rotate-secret"  # noqa: S105 - a command
# RunTask's limit, JSON characters included.
MAX_OVERRIDES_CHARACTERS = 8192

# It becomes a part of keys in S3 and RunTask's client token.
_REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


class InvalidRecordError(Exception):
    """The stored record of a command cannot be read."""


@dataclass(frozen=True)
class TaskSize:
    """CPU units and memory in MiB for one command, instead of the task definition's."""

    cpu: int
    memory_mib: int

    @classmethod
    def checked(cls, cpu: object, memory_mib: object) -> "TaskSize | None":
        """None when neither is given: the task definition's size."""
        if cpu is None and memory_mib is None:
            return None
        if not (_is_number(cpu) and _is_number(memory_mib)):
            raise InvalidCommandError(
                'Give "cpu" and "memory" together and as numbers, in CPU units and MiB: '
                '{"cpu": 1024, "memory": 4096}'
            )
        size = cls(int(str(cpu)), int(str(memory_mib)))
        if problem := size_problem(size.cpu, size.memory_mib):
            raise InvalidCommandError(problem)
        return size


def _is_number(value: object) -> bool:
    return not isinstance(value, bool) and str(value).isdecimal()


def checked_command(value: object, size: TaskSize | None = None) -> tuple[str, ...]:
    """The command as a tuple, or InvalidCommandError with what to change."""
    if isinstance(value, str):
        raise InvalidCommandError(
            f"The command must be a list of strings, one for each word: {_as_list(value)}"
        )
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
    characters = len(json.dumps(overrides(value, size)))
    if characters > MAX_OVERRIDES_CHARACTERS:
        raise InvalidCommandError(
            f"The command takes {characters} characters of the {MAX_OVERRIDES_CHARACTERS} that ECS "
            "allows: shorten it, or put the data where the command can read it"
        )
    command = tuple(value)
    if problem := problem_of(command):
        raise InvalidCommandError(problem)
    return command


def checked_request_id(value: object) -> str:
    if not isinstance(value, str) or not _REQUEST_ID.fullmatch(value):
        raise InvalidCommandError(
            'A "requestId" is 1 to 64 letters, digits, hyphens and underscores, and starts with a '
            "letter or a digit"
        )
    return value


def _as_list(text: str) -> str:
    """What the caller probably meant, ready to be pasted."""
    try:
        words = shlex.split(text)
    except ValueError:
        words = text.split()
    if words[:1] == ["airflow"]:
        words = words[1:]
    shown = json.dumps(words or ["dags", "list"])
    return shown if len(shown) <= 200 else 'such as ["dags", "list"]'


def overrides(
    command: list[str], size: TaskSize | None = None, rotation_task_role_arn: str = ""
) -> dict[str, Any]:
    """RunTask's overrides. Whoever may describe tasks reads them: never a secret here."""
    task = {"cpu": str(size.cpu), "memory": str(size.memory_mib)} if size else {}
    if command[0] == ROTATE_SECRET and rotation_task_role_arn:
        task["taskRoleArn"] = rotation_task_role_arn
    return {"containerOverrides": [{"name": CONTAINER_NAME, "command": command}], **task}


@dataclass(frozen=True)
class CommandRecord:
    """Who asked for which command, and when.

    `request` is None for a direct invocation. `task_arn` is None until ECS has named the task.
    `abandoned` is set when the caller was told that it failed although ECS may have started it.
    """

    request_id: str
    command: tuple[str, ...]
    request: CustomResourceRequest | None = field(default=None)
    size: TaskSize | None = None
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    task_arn: str | None = None
    maintenance: str | None = None
    abandoned: bool = False

    def to_bytes(self) -> bytes:
        return json.dumps(
            {
                "request_id": self.request_id,
                "command": self.command,
                "request": self.request.to_event() if self.request else None,
                "size": [self.size.cpu, self.size.memory_mib] if self.size else None,
                "started_at": self.started_at.isoformat(),
                "task_arn": self.task_arn,
                "maintenance": self.maintenance,
                "abandoned": self.abandoned,
            }
        ).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> "CommandRecord":
        try:
            document: Mapping[str, Any] = json.loads(data)
            request = document["request"]
            size = document["size"]
            return cls(
                request_id=document["request_id"],
                command=tuple(document["command"]),
                request=CustomResourceRequest.from_event(request) if request else None,
                size=TaskSize(*size) if size else None,
                started_at=datetime.fromisoformat(document["started_at"]),
                task_arn=document["task_arn"],
                maintenance=document["maintenance"],
                abandoned=document["abandoned"],
            )
        except (ValueError, KeyError, TypeError) as error:
            # Without the cause: it may quote the record, and so the response URL.
            raise InvalidRecordError(
                f"The record is not what this function writes: {type(error).__name__}"
            ) from None
