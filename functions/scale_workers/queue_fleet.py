"""The fleet of one queue: observe it, decide, act.

Workers exit by themselves when they are idle, when they are named in the drain object, or when they
are not of the current revision. Only a worker that has been unhealthy for a long time is stopped.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime

from scale_workers.decision import decide
from scale_workers.fleet_state import FleetState
from scale_workers.foresight import NO_FORECAST
from scale_workers.model import Action, FleetConfig, Observation, Trigger, WorkerSeen
from scale_workers.ports import (
    CurrentRevision,
    Forecasts,
    StateConflictError,
    StateStore,
    WorkerTask,
    WorkerTasks,
    WorkQueue,
)
from shared.fargate import task_id

# The reason for which a worker is stopped; such an end does not count as a death.
UNHEALTHY = "Its health check has failed for fifteen minutes"

# After so many conflicts with other calls' states the work is left to those calls.
_TRIES = 3
_TICK_SECONDS = 60.0


@dataclass(frozen=True)
class Look:
    """What one check of the fleet has observed and done."""

    observation: Observation
    action: Action
    started: Sequence[str]
    failures: Sequence[str]

    def followed_by(self, later: "Look") -> "Look":
        """One report for two checks of a call: the first observation, all actions."""
        action = replace(later.action, stop=(*self.action.stop, *later.action.stop))
        started = [*self.started, *later.started]
        return Look(self.observation, action, started, [*self.failures, *later.failures])


@dataclass(frozen=True)
class Fleet:
    config: FleetConfig
    queue: WorkQueue
    workers: WorkerTasks
    current: CurrentRevision
    states: StateStore
    forecasts: Forecasts
    now: Callable[[], datetime]

    def look(self, trigger: Trigger, published: int, revision: str) -> Look:
        """Observe, decide, store the state, act."""
        for _ in range(_TRIES):
            state, version = self.states.load()
            observation = self._observe(trigger, published, revision)
            action, new_state = decide(observation, state, self.config)
            try:
                # Before acting: in a conflict this call starts again and sees the other's launches.
                if new_state != state:
                    version = self.states.save(new_state, version)
            except StateConflictError:
                continue
            return self._act(observation, action, revision, new_state, version)
        # Other calls check the fleet all the time: they see what this one saw.
        idle = Action(look_at=self.now().timestamp() + _TICK_SECONDS)
        return Look(observation, idle, (), ())

    def pause(self, paused: bool) -> None:
        """Pause or resume launches. Running workers continue."""
        for _ in range(_TRIES):
            state, version = self.states.load()
            try:
                self.states.save(replace(state, paused=paused), version)
                return
            except StateConflictError:
                continue
        raise StateConflictError("The state changes too often: try again")

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
                # With its own token, because it is another request.
                on_demand = replace(launch, token=f"{launch.token}-d", count=missing, on_spot=False)
                second = self.workers.launch(on_demand, revision)
                arns += second.started
                failures += second.failures
            started += arns
            state = state.with_result(launch, tuple(arns))
        if action.launches:
            # In a conflict a later check asks ECS again, with the same token.
            with suppress(StateConflictError):
                self.states.save(state, version)
        # After the launches: work must not wait for workers that are stopped.
        for arn in action.stop:
            self.workers.stop(arn, UNHEALTHY)
        if action.drain:
            self.current.drain(self.config.queue, [task_id(arn) for arn in action.drain])
        return Look(observation, action, started, failures)

    def _observe(self, trigger: Trigger, published: int, revision: str) -> Observation:
        # Workers first: if one exits after it was counted, its messages return to the queue and are
        # counted there. In the other order they would be counted nowhere.
        tasks = self.workers.active()
        depth = self.queue.depth()
        ours = [task for task in tasks if task.revision == revision]
        others = [task for task in tasks if task.revision != revision]
        return Observation(
            trigger=trigger,
            now=self.now().timestamp(),
            visible=depth.visible,
            in_flight=depth.in_flight,
            delayed=depth.delayed,
            workers=tuple(map(_seen, ours)),
            draining=len(others),
            draining_arns=frozenset(task.arn for task in others),
            hanging=tuple(_seen(task) for task in others if task.unhealthy),
            published=published,
            forecast=self.forecasts.get() if self.config.foresight_budget else NO_FORECAST,
        )


def _seen(task: WorkerTask) -> WorkerSeen:
    return WorkerSeen(
        arn=task.arn,
        requested_at=task.requested_at.timestamp(),
        running_since=task.started_at.timestamp() if task.started_at else None,
        on_spot=task.on_spot,
        standing=task.standing,
        outdated=task.outdated,
        unhealthy=task.unhealthy,
    )
