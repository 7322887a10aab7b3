"""What must be true of WorkerQueueNames and WorkerFleets, together with the Worker… parameters."""

from collections.abc import Iterator, Mapping

from shared.fargate_sizes import size_problem
from shared.worker_fleets import WorkerFleet, highest_floor, queue_problems, read_worker_fleets

# A worker with two idle slots was measured at 447 MiB; a running task is two more processes (its
# supervisor and its runner) before it has imported anything of its own.
WORKER_BASE_MIB = 512
WORKER_SLOT_MIB = 256

# The field of a fleet, and the parameter that holds where the fleet says nothing.
PARAMETERS = {
    "cpu": "WorkerCpu",
    "memory_mib": "WorkerMemoryMib",
    "concurrency": "WorkerConcurrency",
    "min_count": "WorkerMinCount",
    "max_count": "WorkerMaxCount",
    "ahead_max_count": "WorkerAheadMaxCount",
}


def needed_memory_mib(concurrency: int) -> int:
    """What a worker needs before any task has imported anything."""
    return WORKER_BASE_MIB + WORKER_SLOT_MIB * concurrency


def fleet_problems(names: str, text: str, parameters: Mapping[str, int | None]) -> Iterator[str]:
    """All that is wrong with the fleets.

    Args:
        names: WorkerQueueNames.
        text: WorkerFleets.
        parameters: the values of PARAMETERS; None for what is no number, which is told elsewhere.
    """
    yield from queue_problems(names)
    fleets, problems = read_worker_fleets(names, text)
    yield from problems
    for fleet in fleets:
        yield from _size_problems(fleet, parameters)
        yield from _count_problems(fleet, parameters)


def _size_problems(fleet: WorkerFleet, parameters: Mapping[str, int | None]) -> Iterator[str]:
    where = f"WorkerFleets: {fleet.queue}"
    cpu, memory, concurrency = (
        _value(fleet, parameters, field) for field in ("cpu", "memory_mib", "concurrency")
    )
    if cpu is None or memory is None or concurrency is None:
        return
    # What is wrong with the parameters themselves is told of them.
    if fleet.cpu is not None or fleet.memory_mib is not None:
        problem = size_problem(cpu, memory)
        if problem:
            yield f"{where} would have CPU {cpu} and {memory} MiB. {problem}"
            return
    if fleet.memory_mib is not None or fleet.concurrency is not None:
        needed = needed_memory_mib(concurrency)
        if memory < needed:
            yield (
                f"{where} would have {memory} MiB for {concurrency} tasks at once, which need at "
                f"least {needed}, {WORKER_BASE_MIB} for the worker and {WORKER_SLOT_MIB} for each "
                "task: raise its memoryMib or lower its concurrency."
            )


def _count_problems(fleet: WorkerFleet, parameters: Mapping[str, int | None]) -> Iterator[str]:
    where = f"WorkerFleets: {fleet.queue}"
    minimum, maximum = (_value(fleet, parameters, field) for field in ("min_count", "max_count"))
    if minimum is None or maximum is None:
        return
    said = fleet.min_count is not None or fleet.max_count is not None
    if said and minimum > maximum:
        yield (
            f"{where} would have at least {minimum} and at most {maximum} workers: raise its "
            "maxCount or lower its minCount."
        )
    if fleet.ahead_max_count and parameters["WorkerAheadMaxCount"] == 0:
        yield (
            f"{where} would start workers ahead of the schedule, but WorkerAheadMaxCount is 0, so "
            "the schedule is not announced: raise WorkerAheadMaxCount, or leave its aheadMaxCount "
            "out."
        )
    if highest_floor(fleet.floors) > maximum:
        yield (
            f"{where} has a floor of {highest_floor(fleet.floors)} workers, but may have at most "
            f"{maximum}: raise its maxCount or lower the floor."
        )


def _value(fleet: WorkerFleet, parameters: Mapping[str, int | None], field: str) -> int | None:
    own: int | None = getattr(fleet, field)
    return parameters[PARAMETERS[field]] if own is None else own
