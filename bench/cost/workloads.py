"""Work by name, as hours of workers: simulated with the scaler's own code.

A workload is the work of one day, repeated every day. `nightly-2000` is 2,000 tasks of a minute
that are due at the same moment; the others are the traces of the scaling benchmark
(bench/scaling/workloads.py). One seed: the cost of a month needs no spread.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from bench.cost.environment import Worker
from bench.cost.prices import HOURS, InputError
from bench.scaling.drawings import workers_over_time
from bench.scaling.parameters import Parameters
from bench.scaling.records import simulate
from bench.scaling.workloads import HOUR, QUEUED_PER_SECOND, WORKLOADS, DueRun, Task, Workload
from bench.scaling.workloads import workload as trace
from bench.scaling.world import World

IDLE = "idle"
NIGHTLY = "nightly-2000"
NAMES = (IDLE, NIGHTLY, *WORKLOADS)

DAYS = HOURS / 24
_SEED = 3001
_MINUTE = 60.0


@dataclass(frozen=True)
class Work:
    """The work of a month, and what it takes."""

    name: str
    tasks: float = 0
    # Time for which tasks run, each at least a minute: as MWAA Serverless counts.
    task_hours: float = 0
    worker_hours: float = 0
    # Beyond the first worker, which MWAA's environments include.
    additional_worker_hours: float = 0
    scaler_calls: float = 0
    # Of one day.
    p95_wait_seconds: float = 0
    fits_in_a_day: bool = True


def nightly(count: int) -> Workload:
    """Tasks of a minute that are all due at once, every night."""
    tasks = [Task(HOUR + index / QUEUED_PER_SECOND, _MINUTE) for index in range(count)]
    return Workload(f"nightly-{count}", tasks, [DueRun(HOUR, count)])


@cache
def work(name: str, slots: int, most: int, policy: str = "ours", least: int = 0) -> Work:
    """What a fleet of at most so many workers, each with so many slots, makes of a workload."""
    if name == IDLE:
        return Work(IDLE)
    day = _workload(name)
    if not day.tasks:
        return Work(name)
    parameters = Parameters(concurrency=slots, minimum=least, maximum=most)
    run = simulate(day, policy, parameters, _SEED)
    hours = sum(task.duration for task in day.tasks) / 3600
    return Work(
        name=name,
        tasks=DAYS * len(day.tasks),
        task_hours=_task_hours(day.tasks),
        worker_hours=DAYS * run.record["worker_hours"],
        additional_worker_hours=DAYS * sum(_beyond_the_first(world) for world in run.worlds),
        scaler_calls=DAYS * sum(world.scaler_calls for world in run.worlds),
        p95_wait_seconds=run.record["p95_wait_s"],
        fits_in_a_day=not run.record["unfinished"] and hours <= 24 * slots * most,
    )


def without_workers(name: str) -> Work:
    """For what charges tasks and not workers."""
    if name == IDLE:
        return Work(IDLE)
    tasks = _workload(name).tasks
    return Work(name, tasks=DAYS * len(tasks), task_hours=_task_hours(tasks))


def work_of(name: str, worker: Worker) -> Work:
    return work(name, worker.slots, worker.max_count)


def _task_hours(tasks: Sequence[Task]) -> float:
    return DAYS * sum(max(task.duration, _MINUTE) for task in tasks) / 3600


def _workload(name: str) -> Workload:
    kind, _, count = name.partition("-")
    if kind == "nightly" and count.isdigit():
        return nightly(int(count))
    if name in WORKLOADS:
        return trace(name, _SEED)
    raise InputError(f"Unknown workload {name!r}: choose from {', '.join(NAMES)}")


def _beyond_the_first(world: World) -> float:
    points = workers_over_time(world)
    following = [*(moment for moment, _ in points[1:]), world.now]
    seconds = sum(
        (end - start) * max(0.0, count - 1)
        for (start, count), end in zip(points, following, strict=True)
    )
    return seconds / 3600
