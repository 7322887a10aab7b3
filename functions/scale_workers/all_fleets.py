"""All fleets together: looked after, deployed, paused, retired.

They share what there is once: the current revision, the tick, the function.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from scale_workers.model import Trigger
from scale_workers.ports import CurrentRevision, Tick, WorkerTasks
from scale_workers.queue_fleet import Fleet, Look

# What the current revision is called once the stack is being deleted: no worker has it, so all
# drain, and none is started.
RETIRED = "none"

_TICK = timedelta(seconds=60)
# What is due sooner is waited for: EventBridge is precise to a minute.
_WAITING_SECONDS = 30.0
_POLL_SECONDS = 5.0

Looks = Mapping[str, Look]


class WorkersRemainError(Exception):
    """Workers still run although all were told to stop."""


class UnknownQueueError(Exception):
    """No fleet serves the queue."""


@dataclass(frozen=True)
class Fleets:
    """The fleets by their queues."""

    fleets: Mapping[str, Fleet]
    default_revision: str
    # Of whatever fleet: for those that remain when the stack is deleted.
    workers: WorkerTasks
    current: CurrentRevision
    tick: Tick
    now: Callable[[], datetime]
    sleep: Callable[[float], None]

    def look_after(
        self, trigger: Trigger, published: Mapping[str, int] | None = None
    ) -> Looks | None:
        """Look at the fleets that `published` names, with the messages it announces for each; at
        all without it. None when the fleets are retired.

        A fleet that cannot be looked at does not hold up the others: its error is raised in the
        end.
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
            # Whatever failed may work in a minute, and nobody else may come to look.
            self._appoint(0.0)
            raise
        self._make_appointment(looks)
        return looks

    def fleet(self, queue: str) -> Fleet:
        try:
            return self.fleets[queue]
        except KeyError:
            raise UnknownQueueError(
                f"No fleet serves the queue {queue!r}: those are {', '.join(self.fleets)}"
            ) from None

    def deploy(self, revision: str) -> Looks | None:
        """Make a revision the current one: the workers of all others drain."""
        self.current.set(revision)
        return self.look_after(Trigger.DEPLOYMENT)

    def pause(self, paused: bool, queue: str | None = None) -> Looks | None:
        """Start no workers any more, or again, for one queue or for all."""
        for fleet in [self.fleet(queue)] if queue else self.fleets.values():
            fleet.pause(paused)
        return self.look_after(Trigger.REQUEST)

    def _look_again_soon(self, looks: dict[str, Look], revision: str) -> None:
        """A burst takes the queue's counts some seconds to show: too short for an appointment."""
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
        """One tick serves all fleets; at each all are looked at."""
        moments = [at for at, _ in _appointments(looks)]
        if moments:
            self._appoint(min(moments))
        elif looks.keys() == self.fleets.keys():
            self.tick.cancel()

    def _appoint(self, moment: float) -> None:
        soonest = self.now() + _TICK
        self.tick.ensure(max(soonest, datetime.fromtimestamp(moment, UTC)))

    def retire(self, remaining_seconds: Callable[[], float]) -> None:
        """Stop all workers and wait until they are gone; may be repeated.

        The cluster, the network interfaces and the roles cannot be deleted before.
        """
        self.current.set(RETIRED)
        self.tick.cancel()
        told: set[str] = set()
        while remaining := self.workers.remaining():
            # Each time round: a look that had begun before may have started one more.
            for task_arn in remaining:
                if task_arn not in told:
                    self.workers.stop(task_arn, "The stack is being deleted")
                    told.add(task_arn)
            if remaining_seconds() < _POLL_SECONDS:
                raise WorkersRemainError(
                    f"{len(remaining)} workers were told to stop but still exist, among them "
                    f"{remaining[0]}: wait until they have stopped, or stop them, and delete the "
                    "stack again"
                )
            self.sleep(_POLL_SECONDS)
        self.tick.cancel()


def _appointments(looks: Looks) -> list[tuple[float, str]]:
    return [
        (look.action.look_at, queue)
        for queue, look in looks.items()
        if look.action.look_at is not None
    ]
