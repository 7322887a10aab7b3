"""How many workers to start, and whether to look again: pure, so that it can be simulated."""

from dataclasses import dataclass
from enum import Enum


class Trigger(Enum):
    """Why the fleet is looked at."""

    WAKE_UP = "the scheduler has queued a task"
    ALARM = "the queue's alarm has changed"
    TICK = "a minute has passed since work was seen"
    WORKER_LEFT = "a worker has ended as it should"
    WORKER_DIED = "a worker could not start or failed"
    DEPLOYMENT = "the fleet was created or updated"
    REQUEST = "somebody asked"


@dataclass(frozen=True)
class FleetLimits:
    """How many workers there may be, and how many tasks each runs at once."""

    minimum: int
    maximum: int
    concurrency: int

    def __post_init__(self) -> None:
        if not 0 <= self.minimum <= self.maximum or self.concurrency < 1:
            raise ValueError(f"No fleet can have these limits: {self}")


@dataclass(frozen=True)
class Observation:
    """What can be seen of the queue and of the workers. The queue's counts are approximate."""

    trigger: Trigger
    # Messages that wait, that a worker holds, and that are not to be seen yet.
    visible: int
    in_flight: int
    delayed: int
    # Workers of the current revision: asked for but not running yet; running for a moment only, so
    # perhaps not consuming yet; running.
    pending: int
    fresh: int
    running: int
    # Workers of other revisions: they finish what they hold and take nothing more.
    draining: int

    @property
    def waiting(self) -> int:
        # A wake-up is news of a message that the queue may not count yet.
        return max(self.visible, 1) if self.trigger is Trigger.WAKE_UP else self.visible

    @property
    def workers(self) -> int:
        """Workers that take, or will take, messages."""
        return self.pending + self.fresh + self.running

    @property
    def is_quiet(self) -> bool:
        work = self.visible + self.in_flight + self.delayed
        return work == 0 and self.workers + self.draining == 0


@dataclass(frozen=True)
class Action:
    """What to do now."""

    launch: int
    look_again: bool


def decide(observation: Observation, limits: FleetLimits) -> Action:
    """Start workers for the messages that nobody is going to take.

    1. A worker has `concurrency` slots. Messages in flight fill slots of workers that run; what is
       left is free, and a free slot takes a waiting message at once. Pending workers will take as
       many as they have slots. Only waiting messages beyond those need new workers.

           free     = max(0, slots of running and fresh workers - in flight)
           shortage = waiting - free - slots of pending workers

       Messages in flight beyond those slots need nothing: a draining worker works on them, or a
       dead one held them, and then no worker can have them before their visibility timeout.
       Counting them as work would start idle workers for hours.

    2. A free slot may be an illusion: a worker that is leaving, or hangs, still shows as running.
       It cannot be told from outside, but messages that wait although slots are free tell it. The
       tick comes a minute after work was seen, long after a healthy worker would have taken it, so
       in a tick only fresh workers, which cannot be leaving yet, are believed to have free slots:

           free = min(free, slots of fresh workers)

       If the messages had only just come, this starts workers without need; they leave when idle.
       There is no storm: the next looks find them pending or fresh, or the messages gone.

    3. Never more than the maximum, never fewer than the minimum. Draining workers do not count:
       they may take six hours to leave, and new work must not wait for them.

    4. A worker that died is replaced by the next tick instead of at once: when all of them die,
       for want of an image or a permission, each costs a minute's wait instead of a loop.

    5. Look again in a minute while there is work or a worker. One zero proves nothing, the queue's
       counts being late, so after a wake-up or an alarm look again in any case.
    """
    slots = limits.concurrency
    free = max(0, (observation.running + observation.fresh) * slots - observation.in_flight)
    if observation.trigger is Trigger.TICK:
        free = min(free, observation.fresh * slots)
    shortage = observation.waiting - free - observation.pending * slots

    wanted = observation.workers + max(0, _ceil_divide(shortage, slots))
    wanted = min(max(wanted, limits.minimum), limits.maximum)
    launch = max(0, wanted - observation.workers)
    if observation.trigger is Trigger.WORKER_DIED:
        # The next look, not this one.
        return Action(launch=0, look_again=launch > 0 or not observation.is_quiet)

    announced = observation.trigger in (Trigger.WAKE_UP, Trigger.ALARM)
    return Action(launch=launch, look_again=launch > 0 or announced or not observation.is_quiet)


def _ceil_divide(amount: int, size: int) -> int:
    return -(-amount // size)
