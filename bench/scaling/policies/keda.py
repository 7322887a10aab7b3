"""KEDA as Airflow's official Helm chart configures it.

Sources: the chart's page "Autoscaling with KEDA" (ceil(count of running and queued task instances /
worker concurrency), from the metadata database) and its values (polling every 5 s, a cool-down of
30 s before zero, a grace period of 600 s); Kubernetes' HPA (a check every 15 s, a tolerance of a
tenth, at most doubling or four more in 15 s, the highest recommendation of the last 300 s when
scaling in). A pod has the same launch time as all other workers, because its node has to be started
too.
"""

import math
from collections import deque

from bench.scaling.policies.service import Service, every
from bench.scaling.world import World

_POLL, _LOOK, _COOL_DOWN, _WINDOW, _GRACE = 5.0, 15.0, 30.0, 300.0, 600.0


class Keda:
    """KEDA itself scales from and to zero, the HPA in between."""

    def __init__(self, world: World) -> None:
        self._world = world
        # The chart creates a StatefulSet: the highest ordinal is removed first.
        self._service = Service(world, _GRACE, youngest_first=True)
        self._wishes: deque[tuple[float, int]] = deque()
        self._last_active = 0.0
        every(world, _POLL, self._poll, world.chance.uniform(0, _POLL))
        every(world, _LOOK, self._look, world.chance.uniform(0, _LOOK))

    def _wanted(self) -> int:
        return math.ceil(self._world.outstanding / self._world.parameters.concurrency)

    def _poll(self) -> None:
        if self._world.outstanding:
            self._last_active = self._world.now
            if self._service.desired == 0:
                self._service.set(1)
        elif (
            self._service.desired == 1
            and self._world.parameters.minimum == 0
            and self._world.now - self._last_active >= _COOL_DOWN
        ):
            self._service.set(0)

    def _look(self) -> None:
        current = self._service.desired
        wanted = max(self._wanted(), 1)
        if current and abs(wanted / current - 1) <= 0.1:
            wanted = current
        self._wishes.append((self._world.now, wanted))
        while self._wishes[0][0] < self._world.now - _WINDOW:
            self._wishes.popleft()
        if current == 0:
            return
        if wanted > current:
            self._service.set(min(wanted, max(2 * current, current + 4)))
        elif wanted < current:
            self._service.set(min(current, max(wish for _, wish in self._wishes)))
