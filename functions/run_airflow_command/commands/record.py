"""The record of a command, kept from its start until it has ended."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from run_airflow_command.commands.task_overrides import TaskSize
from shared.cloudformation.custom_resource import CustomResourceRequest


class InvalidRecordError(Exception):
    """The stored record of a command cannot be read."""


@dataclass(frozen=True)
class CommandRecord:
    """A command, who asked for it, and when.

    `request` is None for a direct call. `task_arn` is None until ECS has started the task.
    `abandoned` is set when the caller was told that the start failed although ECS may have started
    the task.
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
            # Without the cause: its text may contain the record, and so the response URL.
            raise InvalidRecordError(
                f"The stored record of the command cannot be read: {type(error).__name__}"
            ) from None
