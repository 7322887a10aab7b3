"""The types of a decision: trigger, configuration, observation, action."""

import math
from dataclasses import dataclass, field
from enum import Enum

from scale_workers.fleet_state import Launch
from scale_workers.foresight import NO_FORECAST, Forecast
from shared.floors import Floor


class Trigger(Enum):
    """Why the fleet is checked."""

    WAKE_UP = "the scheduler has queued a task"
    ALARM = "the queue's alarm has changed"
    TICK = "the time to look again has come"
    WORKER_LEFT = "a worker has exited as intended"
    WORKER_DIED = "a worker could not start or failed"
    DEPLOYMENT = "the fleet was created or updated"
    REQUEST = "a direct call asked for it"


@dataclass(frozen=True)
class FleetConfig:
    """The limits of one queue's workers: their number, the slots of each, the spare slots."""

    minimum: int
    maximum: int
    concurrency: int
    # Slots that stay free while there is work, so that a small burst starts at once.
    spare_slots: int = 0
    # Percent of the workers that run on Spot, while Spot has capacity.
    spot_share: int = 0
    # Maximum number of workers that are started ahead of runs in the forecast.
    foresight_budget: int = 0
    # A higher minimum at certain times.
    floors: tuple[Floor, ...] = ()
    # A worker that has run for longer must drain.
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
            raise ValueError(f"The limits of the fleet contradict each other: {self}")


@dataclass(frozen=True)
class WorkerSeen:
    """A worker as ECS lists it. It is pending while `running_since` is None."""

    arn: str
    requested_at: float
    running_since: float | None = None
    on_spot: bool = False
    # standing: started to fill the minimum or spare slots. outdated: started with another size or
    # role than the fleet has now. unhealthy: its health check fails.
    standing: bool = False
    outdated: bool = False
    unhealthy: bool = False


@dataclass(frozen=True)
class Observation:
    """The queue and the workers at one moment. The queue's counts are approximate."""

    trigger: Trigger
    now: float
    # Messages that wait, that a worker has received, and that are delayed.
    visible: int
    in_flight: int
    delayed: int
    # Workers of the current revision; the number of those of other revisions, which finish their
    # tasks and take no more.
    workers: tuple[WorkerSeen, ...] = ()
    draining: int = 0
    # The ARNs of workers of other revisions, to recognize launches from before a deployment.
    draining_arns: frozenset[str] = frozenset()
    # Unhealthy workers of other revisions: they no longer finish anything.
    hanging: tuple[WorkerSeen, ...] = ()
    # Messages that the wake-up reports; the queue may not count them yet.
    published: int = 0
    forecast: Forecast = field(default=NO_FORECAST)


@dataclass(frozen=True)
class Action:
    """What to do now."""

    launches: tuple[Launch, ...] = ()
    # When to check again, unless an event comes before; None when there is nothing to do.
    look_at: float | None = None
    # Launches pause because workers die as soon as they start.
    backing_off: bool = False
    # The ARNs of all listed workers that must drain, including those named before.
    drain: tuple[str, ...] = ()
    # Workers to stop.
    stop: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        return sum(launch.count for launch in self.launches)
