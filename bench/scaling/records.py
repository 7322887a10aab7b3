"""One run of one policy, and its measurements."""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import quantiles
from typing import Any

from bench.scaling.limits import work_bound_hours, zero_wait_hours
from bench.scaling.parameters import InputError, Parameters
from bench.scaling.policies import POLICIES, Maker
from bench.scaling.workloads import Task, Workload
from bench.scaling.world import World

OPTIMUM = "optimum"
POLICY_NAMES = (*POLICIES, OPTIMUM)

# Time after the last arrival: enough for a task of eight hours, and one stranded for twelve.
_PATIENCE_SECONDS = 30 * 3600.0


@dataclass(frozen=True)
class Run:
    """A record and the world it was taken from (none for the optimum, which is computed)."""

    record: dict[str, Any]
    worlds: Sequence[World]


def percentile(values: Sequence[float], share: int) -> float:
    if len(values) < 2:
        return values[0] if values else 0.0
    return quantiles(values, n=100, method="inclusive")[share - 1]


def simulate(workload: Workload, policy: str, parameters: Parameters, seed: int) -> Run:
    """One policy on one workload. Each queue has a separate fleet, with the same limits."""
    if policy not in POLICY_NAMES:
        raise InputError(f"Unknown policy {policy!r}: choose from {', '.join(POLICY_NAMES)}")
    base = {"policy": policy, "seed": seed, "workload": workload.name}
    if policy != OPTIMUM:
        run = run_of(workload, POLICIES[policy], parameters, seed)
        return Run(base | run.record, run.worlds)
    limits = _limits(workload, parameters)
    nothing = dict.fromkeys(("p50_wait_s", "p95_wait_s"), 0.0)
    zeros = dict.fromkeys(("killed", "run_twice", "stranded", "interrupted", "unfinished"), 0)
    hours = {"worker_hours": limits["optimum_worker_hours"]}
    return Run(base | nothing | hours | zeros | limits, ())


def run_of(workload: Workload, policy: Maker, parameters: Parameters, seed: int) -> Run:
    """One run of a policy that need not have a name."""
    worlds = []
    for tasks in _by_queue(workload).values():
        world = World(tasks, parameters, seed)
        policy(world, list(workload.due_runs))
        world.run(max(task.arrival for task in tasks) + _PATIENCE_SECONDS)
        worlds.append(world)
    return Run(_measured(worlds) | _limits(workload, parameters), worlds)


def _by_queue(workload: Workload) -> dict[str, list[Task]]:
    by_queue: dict[str, list[Task]] = defaultdict(list)
    for task in workload.tasks:
        by_queue[task.queue].append(task)
    return by_queue


def _limits(workload: Workload, parameters: Parameters) -> dict[str, float]:
    queues = _by_queue(workload).values()
    bound = sum(work_bound_hours(each, parameters.concurrency) for each in queues)
    launch_mean = parameters.launch_median * math.exp(parameters.launch_spread**2 / 2)
    optimum = sum(zero_wait_hours(each, parameters.concurrency, launch_mean) for each in queues)
    return {"optimum_worker_hours": round(optimum, 4), "work_bound_hours": round(bound, 4)}


def _measured(worlds: Sequence[World]) -> dict[str, Any]:
    waits = [
        (world.now if job.started is None else job.started) - job.arrival
        for world in worlds
        for job in world.jobs
    ]
    launch_times = [seconds for world in worlds for seconds in world.launch_times]
    hours = sum(
        (world.now if worker.ended is None else worker.ended) - worker.requested
        for world in worlds
        for worker in world.workers
    )
    return {
        "p50_wait_s": round(percentile(waits, 50), 3),
        "p95_wait_s": round(percentile(waits, 95), 3),
        "worker_hours": round(hours / 3600, 4),
        "killed": sum(world.killed for world in worlds),
        "run_twice": sum(world.run_twice for world in worlds),
        "stranded": sum(world.stranded for world in worlds),
        "interrupted": sum(world.interrupted for world in worlds),
        "unfinished": sum(not job.done for world in worlds for job in world.jobs),
        "launches": sum(world.launches for world in worlds),
        "launch_p95_s": round(percentile(launch_times, 95), 3),
        "idle_to_zero_s": round(max(world.now - world.last_done for world in worlds), 3),
        "scaler_usd_per_month": round(max(map(_scaler_usd_per_month, worlds)), 4),
        "leaving_hours": round(_leaving(worlds) / 3600, 4),
        "peak_workers": max(_peak(world) for world in worlds),
    }


def _leaving(worlds: Sequence[World]) -> float:
    """Seconds of workers between their last task, or their start without a task, and their exit."""
    return sum(
        worker.ended - worker.idle_since
        for world in worlds
        for worker in world.workers
        if worker.ended is not None and worker.consuming and not worker.held
    )


def _scaler_usd_per_month(world: World) -> float:
    """List prices of us-east-1 without the free tier: Lambda (256 MB on ARM), S3, SQS."""
    calls = world.scaler_calls
    usd = calls * 0.2e-6 + world.scaler_seconds * 0.25 * 1.33334e-5
    # Per call: three small objects read, one look at the queue, one schedule written.
    usd += calls * (3 * 0.4e-6 + 0.4e-6 + 1e-6) + world.scaler_writes * 5e-6
    return usd * 730 * 3600 / max(world.now, 3600.0)


def _peak(world: World) -> int:
    changes = [(worker.requested, 1) for worker in world.workers]
    changes += [(worker.ended, -1) for worker in world.workers if worker.ended is not None]
    peak = current = 0
    for _, change in sorted(changes):
        current += change
        peak = max(peak, current)
    return peak
