"""Amazon MWAA's automatic scaling of workers, before and now.

Source: the user guide's page "Configuring Amazon MWAA worker automatic scaling".
(tasks running + tasks queued) / (tasks per worker) = required workers, from the environment's
metrics in CloudWatch. It is documented that the metrics are published once a minute, but not how
often MWAA reads them: once a minute, like an alarm, is assumed here. MWAA's own minimum is one
worker or more; here every policy has the same limits.
"""

import math

from bench.scaling.actors import Worker
from bench.scaling.policies.service import every
from bench.scaling.world import World

_MINUTE = 60.0
# How long the required number must have been lower before workers are removed. The guide of 2023:
# "two to five minutes" from the last task to the worker's removal, including metrics and detection.
_STEADY_MINUTES = 2


class MwaaNow:
    """Scales in to the required number; a worker that has work, or picks up work, is kept."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._below = 0
        self._published = 0
        every(world, _MINUTE, self._measure, world.chance.uniform(0, _MINUTE))
        every(world, _MINUTE, self._evaluate, world.chance.uniform(0, _MINUTE))
        world.launch(world.parameters.minimum)

    def _measure(self) -> None:
        tasks = self._world.outstanding
        self._world.after(self._world.parameters.cloudwatch_lag, self._publish, tasks)

    def _publish(self, tasks: int) -> None:
        self._published = tasks

    def _workers(self) -> list[Worker]:
        return [each for each in self._world.present.values() if each.is_listed]

    def _evaluate(self) -> None:
        limits = self._world.parameters
        required = math.ceil(self._published / limits.concurrency)
        required = min(max(required, limits.minimum), limits.maximum)
        current = len(self._workers())
        if required > current:
            self._world.launch(required - current)
        self._below = self._below + 1 if self._may_scale_in(required, current) else 0
        if self._below >= _STEADY_MINUTES:
            self._scale_in(current - required)

    def _may_scale_in(self, required: int, current: int) -> bool:
        return required < current

    def _scale_in(self, excess: int) -> None:
        idle = [each for each in self._workers() if each.consuming and not each.held]
        for worker in idle[:excess]:
            self._world.retire(worker)


class MwaaBefore(MwaaNow):
    """As in the guide of 2023: removes all additional workers once nothing runs or waits.

    "It's possible for workers that are set for deletion to pick up those tasks before the worker
    containers are removed"; such tasks "are deleted and marked as failed".
    """

    def _may_scale_in(self, required: int, current: int) -> bool:
        return self._published == 0 and current > self._world.parameters.minimum

    def _scale_in(self, excess: int) -> None:
        for worker in self._workers()[:excess]:
            self._world.after(self._world.chance.uniform(10, 90), self._world.delete, worker)
        self._below = 0
