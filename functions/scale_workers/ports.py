"""What the fleet needs of AWS."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from scale_workers.fleet_state import FleetState, Launch
from scale_workers.foresight import Forecast


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
    requested_at: datetime
    started_at: datetime | None
    on_spot: bool = False
    # It fills the minimum; it was started with another size than its fleet has; its health check
    # fails.
    standing: bool = False
    outdated: bool = False
    unhealthy: bool = False


@dataclass(frozen=True)
class LaunchResult:
    """What a launch has brought; ECS may start some tasks and refuse others."""

    started: Sequence[str]
    failures: Sequence[str]
    # Spot has no capacity for those that are missing.
    spot_refused: bool = False


class WorkQueue(Protocol):
    def depth(self) -> QueueDepth: ...


class WorkerTasks(Protocol):
    """The workers of one fleet."""

    def active(self) -> Sequence[WorkerTask]:
        """The fleet's workers of all revisions that have not been told to stop."""

    def remaining(self) -> Sequence[str]:
        """The ARNs of the workers of all fleets that still exist, stopping ones included."""

    def launch(self, launch: Launch, revision: str) -> LaunchResult:
        """Start workers; with a token that was used before, the same ones again."""

    def stop(self, task_arn: str, reason: str) -> None: ...


class CurrentRevision(Protocol):
    """The one place that says which revision (`family:number`) is current.

    Workers read it too: one that is of another revision, or is named as one to drain, drains.
    """

    def get(self) -> str | None: ...

    def set(self, revision: str) -> None:
        """Workers named before are forgotten: they are of another revision."""

    def drain(self, queue: str, task_ids: Sequence[str]) -> None:
        """Name the workers of a fleet that shall drain, in place of those named before."""


class StateConflictError(Exception):
    """Somebody else has stored a state since this one was read."""


class StateStore(Protocol):
    """What the scaler remembers."""

    def load(self) -> tuple[FleetState, str | None]:
        """The state and its version; an empty one without a version when there is none."""

    def save(self, state: FleetState, version: str | None) -> str:
        """Store a state in place of the version that was read; answers with its own version.

        Raises StateConflictError when that version is no longer the last.
        """


class Forecasts(Protocol):
    """What the scheduler has published of the runs to come."""

    def get(self) -> Forecast: ...


class Tick(Protocol):
    """The appointment to look again."""

    def ensure(self, moment: datetime) -> None:
        """Have one at that time or earlier."""

    def cancel(self) -> None: ...
