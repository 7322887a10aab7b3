"""Which workers must drain or be stopped, besides those that exit by themselves: pure.

A busy worker is never stopped. A worker that must go is named in the drain object: it takes no new
messages, finishes its tasks, however long that takes, and exits. Only a worker that has been
unhealthy for a long time is stopped: its event loop hangs, so it neither takes messages nor reads
the drain object.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from scale_workers.fleet_state import FleetState
from scale_workers.model import FleetConfig, Observation, WorkerSeen

# Airflow waits as long for a task's heartbeat before it gives the task to another worker.
UNHEALTHY_SECONDS = 900.0


@dataclass(frozen=True)
class Upkeep:
    """The ARNs of workers that must drain, and of workers to stop."""

    drain: tuple[str, ...] = ()
    stop: tuple[str, ...] = ()


def upkeep(
    observation: Observation, state: FleetState, config: FleetConfig
) -> tuple[Upkeep, FleetState]:
    """The workers that must drain or stop now. The minimum of `config` is the current one.

    - *Named before*: stays named until ECS no longer lists it.
    - *Outdated*: it was started with another size than the fleet has now.
    - *Over age*: it has run for longer than any task may. Fargate occasionally stops tasks to
      maintain its hosts; a busy worker is then killed, and a young one is spared. At most a tenth
      of the fleet at one check, but at least one worker, so that not all slots go at once.
    - *Standing beyond the minimum and the spare slots*: it was to wait for hours for a floor or as
      a spare slot, and the floor, or the work beside the slot, is over. Only as many as the slots
      of the others allow.
    - *Unhealthy* at every check for 15 minutes: stopped.
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
