"""Workers: the maximum of the environment, the queues, and the fleet of each queue."""

from collections.abc import Iterator
from dataclasses import dataclass

from preflight.checks.tasks import COMPACT_CLASS
from preflight.parameters import Parameters
from shared.fargate_sizes import size_problem
from shared.worker_fleets import (
    WorkerFleet,
    WorkerFleetsError,
    WorkerSize,
    highest_floor,
    queue_problems,
    read_worker_fleets,
)

# A worker with two idle slots was measured at 447 MiB. A running task is two more processes (its
# supervisor and its runner) before it has imported anything of its own.
WORKER_BASE_MIB = 512
WORKER_SLOT_MIB = 256


def needed_memory_mib(slots: int) -> int:
    """What a worker needs before any task has imported anything."""
    return WORKER_BASE_MIB + WORKER_SLOT_MIB * slots


@dataclass(frozen=True)
class _Defaults:
    """What applies where a fleet says nothing; None for a number that cannot be read."""

    environment_class: str
    max_count: int | None


def worker_problems(parameters: Parameters) -> Iterator[str]:
    maximum = parameters.number("WorkerMaxCount")
    if not maximum:
        yield (
            f"WorkerMaxCount is {parameters.text('WorkerMaxCount')!r}: give a whole number of at "
            "least 1, such as 10."
        )
    try:
        yield from _size_problems("WorkerSize", WorkerSize.from_text(parameters.text("WorkerSize")))
    except WorkerFleetsError as error:
        yield f"WorkerSize is {error}"
    names = parameters.text("WorkerQueueNames")
    yield from queue_problems(names)
    fleets, problems = read_worker_fleets(names, parameters.text("WorkerFleets"))
    yield from problems
    defaults = _Defaults(parameters.text("EnvironmentClass"), maximum or None)
    for fleet in fleets:
        where = f"WorkerFleets.{fleet.queue}"
        if fleet.size:
            yield from _size_problems(f"{where}.size", fleet.size)
        yield from _count_problems(where, fleet, defaults)


def _size_problems(where: str, size: WorkerSize) -> Iterator[str]:
    if problem := size_problem(size.cpu, size.memory_mib):
        yield f"{where} is {size}. {problem}"
        return
    needed = needed_memory_mib(size.slots)
    if size.memory_mib < needed:
        yield (
            f"{where} is {size}: {size.slots} tasks at once need at least {needed} MiB, "
            f"{WORKER_BASE_MIB} for the worker and {WORKER_SLOT_MIB} for each task: raise the "
            "memory or lower the number of slots."
        )


def _count_problems(where: str, fleet: WorkerFleet, defaults: _Defaults) -> Iterator[str]:
    maximum = defaults.max_count if fleet.max_count is None else fleet.max_count
    if maximum is not None and fleet.min_count > maximum:
        yield (
            f"{where} would have at least {fleet.min_count} and at most {maximum} workers: raise "
            "its maxCount or lower its minCount."
        )
    if maximum is not None and highest_floor(fleet.floors) > maximum:
        yield (
            f"{where} has a floor of {highest_floor(fleet.floors)} workers, but may have at most "
            f"{maximum}: raise its maxCount or lower the floor."
        )
    if fleet.ahead_max_count and defaults.environment_class == COMPACT_CLASS:
        yield (
            f"{where}.aheadMaxCount is {fleet.ahead_max_count}, but the scheduler of "
            f"EnvironmentClass {COMPACT_CLASS} publishes no forecast: choose EnvironmentClass "
            "small, or remove aheadMaxCount."
        )
