"""The fleet's vocabulary: why it is looked at, what is seen of it, what is decided."""

import math
from dataclasses import dataclass, field
from enum import Enum

from scale_workers.fleet_state import Launch
from scale_workers.foresight import NO_FORECAST, Forecast
from shared.floors import Floor


class Trigger(Enum):
    """Why the fleet is looked at."""

    WAKE_UP = "the scheduler has queued a task"
    ALARM = "the queue's alarm has changed"
    TICK = "the time to look again has come"
    WORKER_LEFT = "a worker has ended as it should"
    WORKER_DIED = "a worker could not start or failed"
    DEPLOYMENT = "the fleet was created or updated"
    REQUEST = "somebody asked"


@dataclass(frozen=True)
class FleetConfig:
    """How many workers of one queue there may be, how many tasks each runs, and how generous to
    be."""

    minimum: int
    maximum: int
    concurrency: int
    # Slots that stay free while there is work: they make the next small burst start at once.
    spare_slots: int = 0
    # Percent of the workers that run on Spot, while Spot has capacity.
    spot_share: int = 0
    # Most workers that are started ahead of what the schedule announces.
    foresight_budget: int = 0
    # At certain hours the minimum is higher.
    floors: tuple[Floor, ...] = ()
    # A worker that has run for longer is told to drain.
    max_age_seconds: float = math.inf
    queue: str = "default"

    def __post_init__(self) -> None:
        if (
            not 0 <= self.minimum <= self.maximum
            or self.concurrency < 1
            or self.spare_slots < 0
            or not 0 <= self.spot_share <= 100
            or self.foresight_budget < 0
        ):
            raise ValueError(f"No fleet can have these limits: {self}")


@dataclass(frozen=True)
class WorkerSeen:
    """A worker as ECS lists it. Pending while `running_since` is None."""

    arn: str
    requested_at: float
    running_since: float | None = None
    on_spot: bool = False
    # It was started to fill the minimum; with another size than the fleet has now; its health check
    # has failed for minutes.
    standing: bool = False
    outdated: bool = False
    unhealthy: bool = False


@dataclass(frozen=True)
class Observation:
    """What can be seen of the queue and of the workers. The queue's counts are approximate."""

    trigger: Trigger
    now: float
    # Messages that wait, that a worker holds, and that are not to be seen yet.
    visible: int
    in_flight: int
    delayed: int
    # Workers of the current revision; the number of those of others, which finish what they hold
    # and take nothing more.
    workers: tuple[WorkerSeen, ...] = ()
    draining: int = 0
    # Those others' ARNs: of a launch before a deployment nobody waits for the rest.
    draining_arns: frozenset[str] = frozenset()
    # Those others, as far as they are unhealthy: they finish nothing any more.
    hanging: tuple[WorkerSeen, ...] = ()
    # Messages that the wake-up announces: the queue need not count them yet.
    published: int = 0
    forecast: Forecast = field(default=NO_FORECAST)


@dataclass(frozen=True)
class Action:
    """What to do now."""

    launches: tuple[Launch, ...] = ()
    # When to look again, unless somebody calls before; None when all is quiet.
    look_at: float | None = None
    # Workers die as soon as they start: somebody has to see why.
    backing_off: bool = False
    # Workers that take nothing more, by ARN: all that are listed still, whenever they were told.
    drain: tuple[str, ...] = ()
    # Workers to stop.
    stop: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        return sum(launch.count for launch in self.launches)
