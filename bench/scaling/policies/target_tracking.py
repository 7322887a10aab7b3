"""AWS's target tracking, which creates its own alarms, and its use on the CPU of workers."""

import math

from bench.scaling.policies.service import Service, every
from bench.scaling.world import World

_MINUTE = 60.0
# The alarms that target tracking creates: three minutes above, fifteen below nine tenths.
_OUT_MINUTES, _IN_MINUTES, _IN_SHARE = 3, 15, 0.9


class TargetTracking:
    """desired = ceil(current * metric / target), after three minutes out, fifteen minutes in."""

    def __init__(
        self,
        world: World,
        service: Service,
        target: float,
        out_cool_down: float,
        in_cool_down: float,
    ) -> None:
        self._world = world
        self.service = service
        self._target = target
        self._cool_downs = (out_cool_down, in_cool_down)
        self._above = self._below = 0
        self._quiet_until = 0.0
        every(world, _MINUTE, self._measure, world.chance.uniform(0, _MINUTE))

    def metric(self) -> float:
        raise NotImplementedError

    def _measure(self) -> None:
        self._world.after(self._world.parameters.cloudwatch_lag, self._evaluate, self.metric())

    def _evaluate(self, value: float) -> None:
        self._above = self._above + 1 if value > self._target else 0
        self._below = self._below + 1 if value < self._target * _IN_SHARE else 0
        if self._world.now < self._quiet_until:
            return
        current = self.service.desired
        if self._above >= _OUT_MINUTES:
            self.service.set(max(current + 1, math.ceil(current * value / self._target)))
            self._quiet_until = self._world.now + self._cool_downs[0]
        elif self._below >= _IN_MINUTES:
            self.service.set(min(current, math.ceil(current * value / self._target)))
            self._quiet_until = self._world.now + self._cool_downs[1]


class Cpu(TargetTracking):
    """Target tracking at 70 % of the workers' CPU, with a cool-down of 60 s out and 120 s in.

    Source: andresionek91/airflow-autoscaling-ecs, its service.yml (one of the seeds; widespread).
    CPU cannot scale from zero, so one worker always stays, whatever the minimum. A full worker is
    assumed to use 90 % of its CPU, an idle one 5 %. This favours the rule, because tasks that wait
    for a warehouse use almost no CPU. ECS kills 30 s after SIGTERM, the default.
    """

    _TARGET, _IDLE, _FULL, _GRACE = 70.0, 5.0, 90.0, 30.0

    def __init__(self, world: World) -> None:
        super().__init__(world, Service(world, self._GRACE), self._TARGET, 60, 120)
        self.service.set(max(1, world.parameters.minimum))

    def metric(self) -> float:
        workers = [each for each in self.service.workers if each.consuming]
        if not workers:
            return self._IDLE
        slots = len(workers) * self._world.parameters.concurrency
        busy = sum(len(worker.held) for worker in workers) / slots
        return self._IDLE + (self._FULL - self._IDLE) * busy

    def _evaluate(self, value: float) -> None:
        super()._evaluate(value)
        if self.service.desired == 0:
            self.service.set(1)
