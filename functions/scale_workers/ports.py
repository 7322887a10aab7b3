"""What the fleet needs of AWS."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True)
class QueueDepth:
    """The messages of the queue: approximate, and late by up to a minute."""

    visible: int
    in_flight: int
    delayed: int


@dataclass(frozen=True)
class WorkerTask:
    """A worker's task. `started_at` is None while it has not started to run."""

    arn: str
    revision: str
    started_at: datetime | None


@dataclass(frozen=True)
class LaunchResult:
    """What a launch has brought; ECS may start some tasks and refuse others."""

    started: Sequence[str]
    failures: Sequence[str]


class WorkQueue(Protocol):
    def depth(self) -> QueueDepth: ...


class WorkerTasks(Protocol):
    def active(self) -> Sequence[WorkerTask]:
        """The workers of all revisions that have not been told to stop."""

    def remaining(self) -> Sequence[str]:
        """The ARNs of all workers that still exist, stopping ones included."""

    def launch(self, count: int, revision: str, token: str) -> LaunchResult:
        """Start workers; with a token that was used before, the same ones again."""

    def stop(self, task_arn: str, reason: str) -> None: ...


class CurrentRevision(Protocol):
    """The one place that says which revision (`family:number`) is current.

    Workers read it too: one that is of another revision drains.
    """

    def get(self) -> str | None: ...

    def set(self, revision: str) -> None: ...


class Tick(Protocol):
    """The appointment to look again."""

    def ensure(self) -> None:
        """Have one within about a minute."""

    def cancel(self) -> None: ...
