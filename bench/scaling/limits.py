"""Bounds that no policy can beat: the work itself, and a clairvoyant policy without waiting."""

from collections.abc import Sequence

from bench.scaling.workloads import Task


def work_bound_hours(tasks: Sequence[Task], concurrency: int) -> float:
    """Worker-hours if every slot of every worker were always busy and no worker had to start."""
    return sum(task.duration for task in tasks) / concurrency / 3600


def zero_wait_hours(tasks: Sequence[Task], concurrency: int, launch_seconds: float) -> float:
    """Worker-hours of a clairvoyant policy whose tasks all start immediately.

    It needs ceil(running / concurrency) workers at any moment. The k-th worker runs while more
    than (k-1) * concurrency tasks run. Each start costs a launch, so the worker stays through gaps
    shorter than a launch. Tasks may move between workers, so this is a lower bound: a real
    clairvoyant policy, which cannot move a running task, needs at least as many workers.
    """
    changes = sorted(
        [(task.arrival, 1) for task in tasks]
        + [(task.arrival + task.duration, -1) for task in tasks]
    )
    running = 0
    since: dict[int, float] = {}
    left: dict[int, float] = {}
    total = 0.0
    for moment, change in changes:
        before, running = running, running + change
        if change > 0 and before % concurrency == 0:
            level = before // concurrency
            gap = moment - left.get(level, float("-inf"))
            total += min(gap, launch_seconds)
            since[level] = moment
        elif change < 0 and running % concurrency == 0:
            level = running // concurrency
            total += moment - since[level]
            left[level] = moment
    return total / 3600
