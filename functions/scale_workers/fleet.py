"""The fleet of workers: looked after, deployed, retired.

Workers leave by themselves, when they are idle or of another revision than the current one. Nothing
here stops a worker, except the retirement of the whole fleet when its stack is deleted.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from scale_workers.decision import Action, FleetLimits, Observation, Trigger, decide
from scale_workers.ports import CurrentRevision, LaunchResult, Tick, WorkerTasks, WorkQueue

# What the fleet's current revision is called once its stack is being deleted: no worker has it, so
# all drain, and none is started.
RETIRED = "none"

# From "running" to the first message a worker takes a few seconds; a slow start has some room.
_FRESH = timedelta(seconds=45)

# Two looks within this time that see the same workers make one launch, not two.
_LAUNCH_WINDOW_SECONDS = 30

_POLL_SECONDS = 5.0


class WorkersRemainError(Exception):
    """Workers still run although all were told to stop."""


@dataclass(frozen=True)
class Look:
    """What one look at the fleet has seen and done."""

    observation: Observation
    action: Action
    result: LaunchResult


@dataclass(frozen=True)
class Fleet:
    limits: FleetLimits
    default_revision: str
    queue: WorkQueue
    workers: WorkerTasks
    current: CurrentRevision
    tick: Tick
    now: Callable[[], datetime]
    sleep: Callable[[float], None]

    def look_after(self, trigger: Trigger) -> Look | None:
        """Observe, decide, act. None when the fleet is retired."""
        revision = self.current.get() or self.default_revision
        if revision == RETIRED:
            self.tick.cancel()
            return None
        try:
            observation, worker_arns = self._observe(trigger, revision)
            action = decide(observation, self.limits)
            result = self._launch(action.launch, revision, worker_arns)
        except Exception:
            # Whatever failed may work in a minute, and nobody else may come to look.
            self.tick.ensure()
            raise
        if action.look_again:
            self.tick.ensure()
        else:
            self.tick.cancel()
        return Look(observation, action, result)

    def deploy(self, revision: str) -> Look | None:
        """Make a revision the current one: the workers of all others drain."""
        self.current.set(revision)
        return self.look_after(Trigger.DEPLOYMENT)

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

    def _observe(self, trigger: Trigger, revision: str) -> tuple[Observation, list[str]]:
        # Workers first: one that leaves after it was counted gives its messages back, and they are
        # then seen in the queue. The other way round they would be seen nowhere.
        tasks = self.workers.active()
        depth = self.queue.depth()
        ours = [task for task in tasks if task.revision == revision]
        started = [task.started_at for task in ours if task.started_at]
        fresh = sum(1 for moment in started if self.now() - moment < _FRESH)
        observation = Observation(
            trigger=trigger,
            visible=depth.visible,
            in_flight=depth.in_flight,
            delayed=depth.delayed,
            pending=len(ours) - len(started),
            fresh=fresh,
            running=len(started) - fresh,
            draining=len(tasks) - len(ours),
        )
        return observation, [task.arn for task in ours]

    def _launch(self, count: int, revision: str, worker_arns: list[str]) -> LaunchResult:
        if count == 0:
            return LaunchResult((), ())
        window = int(self.now().timestamp() // _LAUNCH_WINDOW_SECONDS)
        return self.workers.launch(count, revision, _launch_token(revision, worker_arns, window))


def _launch_token(revision: str, worker_arns: list[str], window: int) -> str:
    """The same for two looks that decide from the same sight.

    Wake-ups come every two seconds, but ECS lists a new task only after some: without the token
    each look would start the same missing workers again. The window ends a token's life, which for
    ECS is a day, so that the next burst may start from the same sight.
    """
    sight = "\n".join([revision, str(window), *sorted(worker_arns)])
    return hashlib.sha256(sight.encode()).hexdigest()[:40]
