"""Which workers have to go, besides those that leave by themselves: pure.

Nobody stops a busy worker. Who has to go is told so by name: it takes nothing new, finishes what it
holds, however long that takes, and leaves. Only a worker that has been unhealthy for long is
stopped: its loop has not turned for all that time, so it neither takes messages nor hears anything.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from scale_workers.fleet_state import FleetState
from scale_workers.model import FleetConfig, Observation, WorkerSeen

# As long as Airflow waits for a task's heartbeat before it gives the task to another worker.
UNHEALTHY_SECONDS = 900.0


@dataclass(frozen=True)
class Upkeep:
    """ARNs of workers to be told to drain, and of workers to be stopped."""

    drain: tuple[str, ...] = ()
    stop: tuple[str, ...] = ()


def upkeep(
    observation: Observation, state: FleetState, config: FleetConfig
) -> tuple[Upkeep, FleetState]:
    """Who has to go now; the minimum of `config` is the one that holds now.

    - *Told already*: until ECS lists it no more.
    - *Outdated*: it was started with another size than the fleet has now.
    - *Over age*: it has run for longer than any task may. Fargate stops tasks now and then to
      renew what they run on; one that is busy at that time is killed, and a young one is spared.
      A tenth of the fleet at one look, one worker at least: not all slots at once.
    - *Standing beyond the minimum and the spare slots*: it was to wait for hours because a floor or
      a spare slot wanted it, and the floor, or the work beside the slot, is over. Only as many as
      the others' slots can spare.
    - *Unhealthy* at every look for 15 minutes: stopped.
    """
    now = observation.now
    listed = {worker.arn for worker in observation.workers}
    told = tuple(arn for arn in state.told if arn in listed)
    since = dict(state.unhealthy)
    unhealthy = tuple(
        (worker.arn, since.get(worker.arn, now))
        for worker in (*observation.workers, *observation.hanging)
        if worker.unhealthy
    )
    stop = tuple(arn for arn, moment in unhealthy if now - moment >= UNHEALTHY_SECONDS)
    fresh = [
        worker for worker in observation.workers if worker.arn not in told and not worker.unhealthy
    ]
    outdated = [worker for worker in fresh if worker.outdated]
    over_age = _over_age([worker for worker in fresh if not worker.outdated], now, config)
    unfit = [*outdated, *over_age]
    staying = [worker for worker in fresh if worker not in unfit]
    leaving = [*unfit, *_surplus(staying, observation, config)]
    drain = (*told, *(worker.arn for worker in leaving))
    return Upkeep(drain, stop), replace(state, told=drain, unhealthy=unhealthy)


def _over_age(workers: Sequence[WorkerSeen], now: float, config: FleetConfig) -> list[WorkerSeen]:
    running = [
        (worker.running_since, worker) for worker in workers if worker.running_since is not None
    ]
    old = [each for each in running if now - each[0] >= config.max_age_seconds]
    # The oldest first, so that two looks choose the same.
    old.sort(key=lambda each: (each[0], each[1].arn))
    return [worker for _, worker in old[: math.ceil(len(workers) / 10)]]


def _surplus(
    workers: Sequence[WorkerSeen], observation: Observation, config: FleetConfig
) -> list[WorkerSeen]:
    standing = [worker for worker in workers if worker.standing]
    load = observation.visible + observation.in_flight + observation.delayed
    spares = math.ceil(config.spare_slots / config.concurrency) if load or config.minimum else 0
    beyond = len(standing) - config.minimum - spares
    running = sum(1 for worker in workers if worker.running_since is not None)
    spare = running - math.ceil(load / config.concurrency)
    oldest = sorted(standing, key=lambda worker: (worker.requested_at, worker.arn))
    return oldest[: max(0, min(beyond, spare))]
