"""The product: the Lambda function's own `decide`, called as the stack calls it.

A publish wakes it (at once, then every two seconds at most); the queue's alarm, the tick a minute
after work was seen, and the end of a worker call it too. Workers leave by themselves.
"""

from bench.scaling.policies.service import every
from bench.scaling.world import Worker, World
from scale_workers.decision import FleetLimits, Observation, Trigger, decide

_WAKE_UP_LATENCY, _WAKE_UP_PAUSE = 0.3, 2.0
_TICK, _FRESH = 60.0, 45.0


class Ours:
    def __init__(self, world: World) -> None:
        self._world = world
        limits = world.parameters
        self._limits = FleetLimits(limits.minimum, limits.maximum, limits.concurrency)
        self._wake_up_due = False
        self._last_wake_up = float("-inf")
        self._tick_at: float | None = None
        self._alarm = False
        world.self_retiring = True
        world.on_publish = self._on_publish
        world.on_end = self._on_end
        every(world, limits.alarm_period, self._check_alarm, world.chance.uniform(0, 60))
        self._look(Trigger.DEPLOYMENT)

    def _on_publish(self) -> None:
        if not self._wake_up_due:
            self._wake_up_due = True
            pause = self._last_wake_up + _WAKE_UP_PAUSE - self._world.now
            self._world.after(max(0.0, pause), self._wake_up)

    def _wake_up(self) -> None:
        self._wake_up_due = False
        self._last_wake_up = self._world.now
        self._world.after(_WAKE_UP_LATENCY, self._look, Trigger.WAKE_UP)

    def _on_end(self, worker: Worker, died: bool) -> None:
        trigger = Trigger.WORKER_DIED if died else Trigger.WORKER_LEFT
        self._world.after(self._world.chance.uniform(2, 25), self._look, trigger)

    def _check_alarm(self) -> None:
        seen = self._world.visible_at(self._world.now - self._world.parameters.cloudwatch_lag) > 0
        if seen and not self._alarm:
            self._look(Trigger.ALARM)
        self._alarm = seen

    def _tick(self, due: float) -> None:
        if self._tick_at == due:
            self._tick_at = None
            self._look(Trigger.TICK)

    def _look(self, trigger: Trigger) -> None:
        world = self._world
        visible, in_flight = world.counts()
        listed = [worker for worker in world.present.values() if worker.is_listed]
        started = [each.running_at for each in listed if each.running_at is not None]
        fresh = sum(1 for moment in started if world.now - moment < _FRESH)
        observation = Observation(
            trigger=trigger,
            visible=visible,
            in_flight=in_flight,
            delayed=0,
            pending=len(listed) - len(started),
            fresh=fresh,
            running=len(started) - fresh,
            draining=0,
        )
        action = decide(observation, self._limits)
        if action.launch:
            world.launch(action.launch)
        if not action.look_again:
            self._tick_at = None
        elif self._tick_at is None:
            self._tick_at = world.now + _TICK + world.chance.uniform(0, 5)
            world.at(self._tick_at, self._tick, self._tick_at)
