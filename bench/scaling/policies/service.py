"""How an ECS service, or a Kubernetes Deployment, applies a desired count."""

from collections.abc import Callable

from bench.scaling.actors import Worker
from bench.scaling.world import World


class Service:
    """Starts missing workers and ends surplus ones, whatever they are doing."""

    def __init__(self, world: World, grace: float, youngest_first: bool = False) -> None:
        self._world = world
        self._grace = grace
        self._youngest_first = youngest_first
        self.desired = 0
        self._retrying = False
        world.on_end = lambda worker, died: self.reconcile()
        self.set(world.parameters.minimum)

    @property
    def workers(self) -> list[Worker]:
        return [worker for worker in self._world.present.values() if worker.is_listed]

    def set(self, desired: int) -> None:
        limits = self._world.parameters
        self.desired = min(max(desired, limits.minimum), limits.maximum)
        self.reconcile()

    def reconcile(self) -> None:
        workers = self.workers
        missing = self.desired - len(workers)
        if missing > 0:
            started, _ = self._world.launch(missing)
            if len(started) < missing and not self._retrying:
                self._retrying = True
                self._world.after(5.0, self._retry)
        elif missing < 0:
            if not self._youngest_first:
                self._world.chance.shuffle(workers)
            for worker in workers[missing:]:
                self._world.terminate(worker, self._grace)

    def _retry(self) -> None:
        self._retrying = False
        self.reconcile()


def every(world: World, seconds: float, action: Callable[[], None], first: float) -> None:
    """Repeat an action for as long as the simulation runs."""

    def turn() -> None:
        action()
        world.after(seconds, turn)

    world.after(first, turn)
