"""The rules of the project that this one started from: hankehly/deploy-airflow-on-ecs-fargate.

Neither version declares a stop timeout, so ECS kills 30 s after SIGTERM. (Its workers run on Spot;
here they run on demand, so that only scaling kills tasks.)
"""

from bench.scaling.policies.service import Service, every
from bench.scaling.policies.target_tracking import TargetTracking
from bench.scaling.world import World

_GRACE = 30.0
_MINUTE = 60.0


class SeedFirst:
    """One more after a minute with visible messages; one less after fifteen minutes of inactivity.

    Source: infrastructure/airflow_worker.tf and its alarms before target tracking: step scaling by
    +1 at ApproximateNumberOfMessagesVisible > 0 (1 of 1 minute) and by -1 at three periods of five
    minutes with empty receives, or without a message sent; a cool-down of 300 s in and 60 s out.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._service = Service(world, _GRACE)
        self._sent = 0
        self._quiet_minutes = 0
        self._in_quiet_until = 0.0
        world.on_publish = self._on_publish
        every(world, _MINUTE, self._measure, world.chance.uniform(0, _MINUTE))

    def _on_publish(self) -> None:
        self._sent += 1

    def _measure(self) -> None:
        self._quiet_minutes = 0 if self._sent else self._quiet_minutes + 1
        self._sent = 0
        lag = self._world.parameters.cloudwatch_lag
        self._world.after(lag, self._evaluate, len(self._world.visible), self._quiet_minutes)

    def _evaluate(self, visible: int, quiet_minutes: int) -> None:
        if visible:
            self._service.set(self._service.desired + 1)
        elif quiet_minutes >= 15 and self._world.now >= self._in_quiet_until:
            self._service.set(self._service.desired - 1)
            self._in_quiet_until = self._world.now + 300


class SeedNow(TargetTracking):
    """Target tracking at 100 of (queued and running tasks / tasks per worker) / workers * 100.

    Source: scripts/put_airflow_worker_autoscaling_metric_data.py: 100 without tasks and
    workers, 200 with tasks and without workers. It declares no cool-down, so AWS's 300 s apply.
    """

    def __init__(self, world: World) -> None:
        super().__init__(world, Service(world, _GRACE), 100, 300, 300)

    def metric(self) -> float:
        tasks, workers = self._world.outstanding, len(self.service.workers)
        if workers == 0:
            return 200.0 if tasks else 100.0
        return tasks / self._world.parameters.concurrency / workers * 100
