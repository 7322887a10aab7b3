"""The product: the Lambda function's own `decide`, called as the stack calls it.

A publish wakes it up (immediately, then at most every two seconds, with the number of messages).
The queue's alarm, the scheduled tick, the end of a worker and an hourly check call it too. It
stores its state if no other call has stored one, then requests workers. Workers exit on their
own.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from bench.scaling.actors import Worker
from bench.scaling.policies.service import every
from bench.scaling.workloads import QUEUED_PER_SECOND, DueRun
from bench.scaling.world import World
from scale_workers.decision import decide
from scale_workers.fleet_state import FleetState, Launch
from scale_workers.foresight import NO_FORECAST, Forecast
from scale_workers.foresight import DueRun as ForecastRun
from scale_workers.model import FleetConfig, Observation, Trigger, WorkerSeen

_WAKE_UP_LATENCY, _WAKE_UP_PAUSE = 0.3, 2.0
# From reading the counts to the call of RunTask, and until ECS lists what it has started.
_LOOK_SECONDS, _LISTING_LAG = 0.5, 3.0
# Finds work that every call and the alarm have missed.
_HOURLY_CHECK = 3600.0
# EventBridge Scheduler is precise to a minute; it is usually some seconds late.
_TICK_DELAY = 10.0
_TRIES = 3
# For anything due sooner, the function waits instead of scheduling a tick.
_WAITING = 30.0
# The scheduler's interval, its horizon, and the time after which it publishes an unchanged forecast
# again. After publishing a change it calls the scaler (airflow_on_fargate.forecast).
_PUBLISHING, _HORIZON, _RENEWAL = 60.0, 900.0, 300.0
_WAVE = 10.0


def _waves(run: DueRun) -> Iterator[ForecastRun]:
    """A run's slots, spread like its predecessor's tasks were queued: some in each ten seconds."""
    size = round(_WAVE * QUEUED_PER_SECOND)
    for number, first in enumerate(range(0, run.slots, size)):
        yield ForecastRun(run.due + number * _WAVE, min(size, run.slots - first))


class Ours:
    """`ours` is reactive. With due runs it is `ours-foresight`, which knows Airflow's schedule."""

    def __init__(self, world: World, due_runs: Sequence[DueRun] = ()) -> None:
        self._world = world
        limits = world.parameters
        self._config = FleetConfig(
            limits.minimum,
            limits.maximum,
            limits.concurrency,
            spot_share=limits.spot_share,
            foresight_budget=limits.maximum if due_runs else 0,
        )
        self._due_runs = due_runs
        self._forecast = NO_FORECAST
        self._state = FleetState()
        self._version = 0
        self._published = 0
        self._wake_up_due = False
        self._last_wake_up = float("-inf")
        self._tick_at: float | None = None
        self._alarm = False
        world.self_retiring = True
        world.on_publish = self._on_publish
        world.on_end = self._on_end
        every(world, limits.alarm_period, self._check_alarm, world.chance.uniform(0, 60))
        every(world, _HOURLY_CHECK, self._check, _HOURLY_CHECK / 2)
        if due_runs:
            every(world, _PUBLISHING, self._publish, world.chance.uniform(0, _PUBLISHING))
        self._call(Trigger.DEPLOYMENT)

    def _on_publish(self) -> None:
        self._published += 1
        if not self._wake_up_due:
            self._wake_up_due = True
            pause = self._last_wake_up + _WAKE_UP_PAUSE - self._world.now
            self._world.after(max(0.0, pause), self._wake_up)

    def _wake_up(self) -> None:
        self._wake_up_due = False
        self._last_wake_up = self._world.now
        count, self._published = self._published, 0
        self._world.after(_WAKE_UP_LATENCY, self._call, Trigger.WAKE_UP, count)

    def _on_end(self, worker: Worker, died: bool) -> None:
        trigger = Trigger.WORKER_DIED if died else Trigger.WORKER_LEFT
        self._world.after(self._world.chance.uniform(2, 25), self._call, trigger)

    def _check_alarm(self) -> None:
        seen = self._world.visible_at(self._world.now - self._world.parameters.cloudwatch_lag) > 0
        if seen and not self._alarm:
            self._call(Trigger.ALARM)
        self._alarm = seen

    def _check(self) -> None:
        self._call(Trigger.TICK)

    def _tick(self, due: float) -> None:
        if self._tick_at == due:
            self._tick_at = None
            self._call(Trigger.TICK)

    def _appoint(self, moment: float | None) -> None:
        """One tick at a time; an earlier tick in the future is kept."""
        if moment is None:
            self._tick_at = None
        elif self._tick_at is None or moment < self._tick_at:
            delay = self._world.chance.uniform(0, _TICK_DELAY)
            self._tick_at = max(moment, self._world.now) + delay
            self._world.at(self._tick_at, self._tick, self._tick_at)

    def _call(self, trigger: Trigger, published: int = 0) -> None:
        if self._world.fault_chance.random() < self._world.faults.lost_calls:
            return
        self._world.scaler_calls += 1
        self._look(trigger, published, _TRIES)

    def _look(self, trigger: Trigger, published: int, tries: int) -> None:
        state, version = self._state, self._version
        self._world.scaler_seconds += _LOOK_SECONDS
        observation = self._observe(trigger, published)
        action, new_state = decide(observation, state, self._config)
        self._world.after(
            _LOOK_SECONDS, self._act, trigger, published, tries, action, new_state, version
        )

    def _act(self, trigger, published, tries, action, new_state, version) -> None:  # type: ignore[no-untyped-def]
        if version != self._version and new_state != self._state:
            # Another call has stored a state: start again from it.
            if tries > 1:
                self._look(trigger, published, tries - 1)
            else:
                self._appoint(self._world.now + 60)
            return
        if new_state != self._state:
            self._store(new_state)
        crash = self._world.fault_chance.random()
        if action.launches and crash < self._world.faults.scaler_crashes / 2:
            self._appoint(self._world.now + 60)
            return
        for launch in action.launches:
            arns = self._run_task(launch)
            if crash < self._world.faults.scaler_crashes:
                self._appoint(self._world.now + 60)
                return
            self._store(self._state.with_result(launch, arns))
        if action.look_at is not None and action.look_at < self._world.now + _WAITING:
            # The function waits instead of scheduling a tick.
            self._world.scaler_seconds += action.look_at - self._world.now
            self._world.at(action.look_at, self._look, Trigger.REQUEST, 0, 1)
        self._appoint(action.look_at and max(action.look_at, self._world.now + _WAITING))

    def _store(self, state: FleetState) -> None:
        self._state = state
        self._version += 1
        self._world.scaler_writes += 1

    def _run_task(self, launch: Launch) -> tuple[str, ...]:
        """RunTask with a token; workers that Spot refuses are started on demand."""
        known = self._world.tokens.get(launch.token)
        if known is not None:
            return known
        started, refusal = self._world.launch(launch.count, launch.on_spot)
        if launch.on_spot and refusal.startswith("Capacity"):
            self._store(replace(self._state, spot_refused_at=self._world.now))
            started, _ = self._world.launch(launch.count)
        for worker in started:
            worker.patience, worker.standing = launch.patience, launch.standing
        self._world.tokens[launch.token] = tuple(str(worker.number) for worker in started)
        return self._world.tokens[launch.token]

    def _observe(self, trigger: Trigger, published: int) -> Observation:
        world = self._world
        visible, in_flight = world.counts()
        return Observation(
            trigger=trigger,
            now=world.now,
            visible=visible,
            in_flight=in_flight,
            delayed=0,
            workers=tuple(
                WorkerSeen(str(each.number), each.requested, each.running_at, each.on_spot)
                for each in world.present.values()
                if each.is_listed and world.now - each.requested > _LISTING_LAG
            ),
            published=published,
            forecast=self._forecast,
        )

    def _publish(self) -> None:
        now = self._world.now
        runs = [
            wave
            for run in self._due_runs
            for wave in _waves(run)
            if now < wave.due <= now + _HORIZON
        ]
        changed = runs != [run for run in self._forecast.runs if run.due > now]
        if changed or (runs and now - self._forecast.published_at >= _RENEWAL):
            self._forecast = Forecast(now, runs)
        if changed and runs:
            self._call(Trigger.REQUEST)
