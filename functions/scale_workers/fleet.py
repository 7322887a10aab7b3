"""The fleet of workers: looked after, deployed, retired.

Workers leave by themselves, when they are idle or of another revision than the current one. Nothing
here stops a worker, except the retirement of the whole fleet when its stack is deleted.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from scale_workers.decision import (
    Action,
    FleetConfig,
    Observation,
    Trigger,
    WorkerSeen,
    decide,
)
from scale_workers.fleet_state import FleetState
from scale_workers.foresight import NO_FORECAST
from scale_workers.ports import (
    CurrentRevision,
    Forecasts,
    StateConflictError,
    StateStore,
    Tick,
    WorkerTasks,
    WorkQueue,
)

# What the fleet's current revision is called once its stack is being deleted: no worker has it, so
# all drain, and none is started.
RETIRED = "none"

_TICK = timedelta(seconds=60)
# What is due sooner is waited for: EventBridge is precise to a minute.
_WAITING_SECONDS = 30.0
# Looks that others spoil by storing a state meanwhile, before this one leaves it to them.
_TRIES = 3

_POLL_SECONDS = 5.0


class WorkersRemainError(Exception):
    """Workers still run although all were told to stop."""


@dataclass(frozen=True)
class Look:
    """What one look at the fleet has seen and done."""

    observation: Observation
    action: Action
    started: Sequence[str]
    failures: Sequence[str]


@dataclass(frozen=True)
class Fleet:
    config: FleetConfig
    default_revision: str
    queue: WorkQueue
    workers: WorkerTasks
    current: CurrentRevision
    states: StateStore
    forecasts: Forecasts
    tick: Tick
    now: Callable[[], datetime]
    sleep: Callable[[float], None]

    def look_after(self, trigger: Trigger, published: int = 0) -> Look | None:
        """Observe, decide, remember, act. None when the fleet is retired."""
        look = self._look(trigger, published)
        # A burst takes the queue's counts some seconds to show: too short for an appointment.
        while look and (pause := self._pause_before_next(look)) is not None:
            self.sleep(pause)
            later = self._look(Trigger.REQUEST, 0)
            if later is None:
                break
            # One report for all looks of a call: what was seen first, what was done in all.
            look = Look(
                look.observation,
                later.action,
                [*look.started, *later.started],
                [*look.failures, *later.failures],
            )
        return look

    def deploy(self, revision: str) -> Look | None:
        """Make a revision the current one: the workers of all others drain."""
        self.current.set(revision)
        return self.look_after(Trigger.DEPLOYMENT)

    def pause(self, paused: bool) -> Look | None:
        """Start no workers any more, or again. Those that run go on."""
        for _ in range(_TRIES):
            state, version = self.states.load()
            try:
                self.states.save(replace(state, paused=paused), version)
                break
            except StateConflictError:
                continue
        else:
            raise StateConflictError("The state changes too often: try again")
        return self.look_after(Trigger.REQUEST)

    def _pause_before_next(self, look: Look) -> float | None:
        if look.action.look_at is None:
            return None
        pause = look.action.look_at - self.now().timestamp()
        return max(0.0, pause) if pause < _WAITING_SECONDS else None

    def _look(self, trigger: Trigger, published: int) -> Look | None:
        revision = self.current.get() or self.default_revision
        if revision == RETIRED:
            self.tick.cancel()
            return None
        try:
            look = self._decide_and_act(trigger, published, revision)
        except Exception:
            # Whatever failed may work in a minute, and nobody else may come to look.
            self._appoint(0.0)
            raise
        if look.action.look_at is None:
            self.tick.cancel()
        else:
            self._appoint(look.action.look_at)
        return look

    def _appoint(self, moment: float) -> None:
        soonest = self.now() + _TICK
        self.tick.ensure(max(soonest, datetime.fromtimestamp(moment, UTC)))

    def _decide_and_act(self, trigger: Trigger, published: int, revision: str) -> Look:
        for _ in range(_TRIES):
            state, version = self.states.load()
            observation = self._observe(trigger, published, revision)
            action, new_state = decide(observation, state, self.config)
            try:
                # Before acting: who loses the race starts over and sees the winner's launches.
                if new_state != state:
                    version = self.states.save(new_state, version)
            except StateConflictError:
                continue
            return self._act(observation, action, revision, new_state, version)
        # Others are looking all the time: they see what this one saw.
        idle = Action(look_at=self.now().timestamp() + _TICK.total_seconds())
        return Look(observation, idle, (), ())

    def _act(
        self,
        observation: Observation,
        action: Action,
        revision: str,
        state: FleetState,
        version: str | None,
    ) -> Look:
        started: list[str] = []
        failures: list[str] = []
        for launch in action.launches:
            result = self.workers.launch(launch, revision)
            arns = list(result.started)
            failures += result.failures
            if result.spot_refused:
                state = replace(state, spot_refused_at=observation.now)
                missing = launch.count - len(arns)
                # A token of its own: it is another request.
                on_demand = replace(launch, token=f"{launch.token}-d", count=missing, on_spot=False)
                second = self.workers.launch(on_demand, revision)
                arns += second.started
                failures += second.failures
            started += arns
            state = state.with_result(launch, tuple(arns))
        if action.launches:
            # When somebody else was quicker, a later look asks ECS again, with the same token.
            with suppress(StateConflictError):
                self.states.save(state, version)
        return Look(observation, action, started, failures)

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

    def _observe(self, trigger: Trigger, published: int, revision: str) -> Observation:
        # Workers first: one that leaves after it was counted gives its messages back, and they are
        # then seen in the queue. The other way round they would be seen nowhere.
        tasks = self.workers.active()
        depth = self.queue.depth()
        ours = [task for task in tasks if task.revision == revision]
        return Observation(
            trigger=trigger,
            now=self.now().timestamp(),
            visible=depth.visible,
            in_flight=depth.in_flight,
            delayed=depth.delayed,
            workers=tuple(
                WorkerSeen(
                    arn=task.arn,
                    requested_at=task.requested_at.timestamp(),
                    running_since=task.started_at.timestamp() if task.started_at else None,
                    on_spot=task.on_spot,
                )
                for task in ours
            ),
            draining=len(tasks) - len(ours),
            draining_arns=frozenset(task.arn for task in tasks if task.revision != revision),
            published=published,
            forecast=self.forecasts.get() if self.config.foresight_budget else NO_FORECAST,
        )
