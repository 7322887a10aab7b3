"""All fleets together: check, deploy, pause, retire them.

They share the current revision, the tick and the function.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from contracts.drain_orders import RETIRED
from scale_workers.model import Trigger
from scale_workers.ports import CurrentRevision, Tick, WorkerTasks
from scale_workers.queue_fleet import Fleet, Look

_TICK = timedelta(seconds=60)
# The call waits for a check that is due sooner, because EventBridge is only precise to a minute.
_WAITING_SECONDS = 30.0
_POLL_SECONDS = 5.0

Looks = Mapping[str, Look]


class WorkersRemainError(Exception):
    """Workers did not stop in time."""


class UnknownQueueError(Exception):
    """The queue has no fleet."""


@dataclass(frozen=True)
class Fleets:
    """The fleets by their queues."""

    fleets: Mapping[str, Fleet]
    default_revision: str
    # Any fleet's workers, to find all that remain when the stack is deleted.
    workers: WorkerTasks
    current: CurrentRevision
    tick: Tick
    now: Callable[[], datetime]
    sleep: Callable[[float], None]

    def look_after(
        self, trigger: Trigger, published: Mapping[str, int] | None = None
    ) -> Looks | None:
        """Check the fleets in `published`, with the reported messages of each; without it, all
        fleets. None when the fleets are retired.

        A fleet that cannot be checked does not prevent the others from being checked: its error is
        raised at the end.
        """
        announced = dict.fromkeys(self.fleets, 0) if published is None else published
        revision = self.current.get() or self.default_revision
        if revision == RETIRED:
            self.tick.cancel()
            return None
        looks: dict[str, Look] = {}
        errors: list[Exception] = []
        for queue, count in announced.items():
            try:
                looks[queue] = self.fleet(queue).look(trigger, count, revision)
            except Exception as error:
                errors.append(error)
        try:
            if errors:
                raise errors[0]
            self._look_again_soon(looks, revision)
        except Exception:
            # It may work in a minute, and no other event may come.
            self._appoint(0.0)
            raise
        self._make_appointment(looks)
        return looks

    def fleet(self, queue: str) -> Fleet:
        try:
            return self.fleets[queue]
        except KeyError:
            raise UnknownQueueError(
                f"There is no queue {queue!r}; the queues are {', '.join(self.fleets)}"
            ) from None

    def deploy(self, revision: str) -> Looks | None:
        """Make a revision the current one; the workers of all others drain."""
        self.current.set(revision)
        return self.look_after(Trigger.DEPLOYMENT)

    def pause(self, paused: bool, queue: str | None = None) -> Looks | None:
        """Pause or resume the launches of one queue or of all."""
        for fleet in [self.fleet(queue)] if queue else self.fleets.values():
            fleet.pause(paused)
        return self.look_after(Trigger.REQUEST)

    def _look_again_soon(self, looks: dict[str, Look], revision: str) -> None:
        """Wait for checks that are due sooner than a tick can come, for example in a burst."""
        while due := self._due_soon(looks):
            moment, queue = min(due)
            self.sleep(max(0.0, moment - self.now().timestamp()))
            if (self.current.get() or self.default_revision) == RETIRED:
                return
            later = self.fleets[queue].look(Trigger.REQUEST, 0, revision)
            looks[queue] = looks[queue].followed_by(later)

    def _due_soon(self, looks: Looks) -> list[tuple[float, str]]:
        limit = self.now().timestamp() + _WAITING_SECONDS
        return [(at, queue) for at, queue in _appointments(looks) if at < limit]

    def _make_appointment(self, looks: Looks) -> None:
        """One tick serves all fleets; it causes a check of all of them."""
        moments = [at for at, _ in _appointments(looks)]
        if moments:
            self._appoint(min(moments))
        elif looks.keys() == self.fleets.keys():
            self.tick.cancel()

    def _appoint(self, moment: float) -> None:
        soonest = self.now() + _TICK
        self.tick.ensure(max(soonest, datetime.fromtimestamp(moment, UTC)))

    def retire(self, remaining_seconds: Callable[[], float]) -> None:
        """Stop all workers and wait until they have stopped; may be repeated.

        The cluster, the network interfaces and the roles cannot be deleted before.
        """
        self.current.set(RETIRED)
        self.tick.cancel()
        stopped: set[str] = set()
        while remaining := self.workers.remaining():
            # In every round, because a check that began before may have started another worker.
            for task_arn in remaining:
                if task_arn not in stopped:
                    self.workers.stop(task_arn, "The stack is being deleted")
                    stopped.add(task_arn)
            if remaining_seconds() < _POLL_SECONDS:
                raise WorkersRemainError(
                    f"{len(remaining)} workers did not stop in time, among them {remaining[0]}: "
                    "wait until they have stopped, or stop them, and delete the stack again"
                )
            self.sleep(_POLL_SECONDS)
        self.tick.cancel()


def _appointments(looks: Looks) -> list[tuple[float, str]]:
    return [
        (look.action.look_at, queue)
        for queue, look in looks.items()
        if look.action.look_at is not None
    ]
