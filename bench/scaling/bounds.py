"""What bounds the missed targets: the same runs without one effect that no policy can avoid, or
with one parameter changed that trades waiting time for worker-hours.

None of these is a policy that could be deployed. Each row is compared with the unchanged MWAA.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from statistics import fmean
from typing import Any

from bench.scaling.parameters import Parameters
from bench.scaling.policies import POLICIES, Maker
from bench.scaling.policies.ours import Ours
from bench.scaling.records import percentile, run_of
from bench.scaling.workloads import DueRun, Workload, workload
from bench.scaling.world import World
from scale_workers.model import Observation, Trigger

Means = Mapping[tuple[str, str], Mapping[str, Any]]
# Share of workers more, or fewer, than the messages need.
_SURPLUSES = (-0.10, -0.05, 0.05, 0.10, 0.20)
# Longer idle timeouts of the workers.
_IDLE_TIMEOUTS = (60.0, 240.0)
# A task that is queued within this time of a due run counts as forecast.
_FORECAST_SECONDS = 30.0


class Surplus(Ours):
    """Ours, with a share of `surplus` more messages than there are."""

    surplus = 0.0

    def _observe(self, trigger: Trigger, published: int) -> Observation:
        seen = super()._observe(trigger, published)
        factor = 1 + self.surplus
        return replace(
            seen,
            visible=math.ceil(seen.visible * factor),
            published=math.ceil(seen.published * factor),
        )


def columns(names: Sequence[str]) -> list[str]:
    return ["policy", "variant", *names, "geometric mean × optimum"]


def rows(
    means: Means, names: Sequence[str], seeds: Sequence[int], parameters: Parameters
) -> list[list[str]]:
    """The table "What bounds the missed targets". `means` are those of the unchanged runs.

    A cell contains p95 wait / MWAA-now's, worker-hours / MWAA-now's, worker-hours / the optimum's.
    """
    found = []
    scheduled = [name for name in names if workload(name, seeds[0]).due_runs]
    for policy, concerned in (("ours", names), ("ours-foresight", scheduled)):
        for what, results in _variants(means, concerned, policy, seeds, parameters):
            if not results:
                continue
            cells, shares = [], []
            for name in names:
                if name not in results:
                    cells.append("")
                    continue
                mwaa, optimum = means[name, "mwaa-now"], means[name, "optimum"]
                wait, hours = results[name]
                shares.append(hours / optimum["worker_hours"])
                cells.append(
                    f"{wait / mwaa['p95_wait_s']:.2f}, {hours / mwaa['worker_hours']:.2f}, "
                    f"{shares[-1]:.2f}"
                )
            geometric = math.exp(fmean(map(math.log, shares)))
            all_of_them = f"{geometric:.2f}" if len(shares) == len(names) else ""
            found.append([policy, what, *cells, all_of_them])
    return found


# By workload: p95 wait in seconds, worker-hours.
Results = Mapping[str, tuple[float, float]]


def _variants(
    means: Means, names: Sequence[str], policy: str, seeds: Sequence[int], parameters: Parameters
) -> Iterator[tuple[str, Results]]:
    plain = {name: means[name, policy] for name in names}
    yield (
        "(unchanged)",
        {name: (each["p95_wait_s"], each["worker_hours"]) for name, each in plain.items()},
    )
    yield (
        "without exit time: idle, last poll, stop",
        {
            name: (each["p95_wait_s"], each["worker_hours"] - each["leaving_hours"])
            for name, each in plain.items()
        },
    )
    for what, changed in (
        ("without spread of launch times", replace(parameters, launch_spread=0.0)),
        (
            "without random dispatch: packed by known ends",
            replace(parameters, clairvoyant_dispatch=True),
        ),
    ):
        yield what, {name: _mean(name, POLICIES[policy], seeds, changed) for name in names}
    if policy == "ours-foresight":
        yield (
            "without the forecast's error",
            {name: _mean(name, POLICIES[policy], seeds, parameters, exact=True) for name in names},
        )
        mixed = [name for name in names if _has_unforecast(workload(name, seeds[0]))]
        yield (
            "without tasks that were not forecast",
            {
                name: _mean(name, POLICIES[policy], seeds, parameters, counted=True)
                for name in mixed
            },
        )
        yield (
            "without both of these",
            {
                name: _mean(name, POLICIES[policy], seeds, parameters, exact=True, counted=True)
                for name in mixed
            },
        )
        return
    for seconds in _IDLE_TIMEOUTS:
        changed = replace(parameters, idle_timeout=seconds)
        yield (
            f"idle timeout of {seconds:.0f} s",
            {name: _mean(name, POLICIES[policy], seeds, changed) for name in names},
        )
    for surplus in _SURPLUSES:
        maker = _maker(surplus)
        yield (
            f"{surplus:+.0%} workers",
            {name: _mean(name, maker, seeds, parameters) for name in names},
        )


def _maker(surplus: float) -> Maker:
    kind = type("Surplus", (Surplus,), {"surplus": surplus})
    return lambda world, _: kind(world)


def _mean(
    name: str,
    policy: Maker,
    seeds: Sequence[int],
    parameters: Parameters,
    *,
    exact: bool = False,
    counted: bool = False,
) -> tuple[float, float]:
    """With `exact`, runs are forecast with the size that they will have; with `counted`, only the
    waits of forecast tasks count."""
    waits, hours = [], []
    for seed in seeds:
        tasks = workload(name, seed)
        run = run_of(_exact(tasks) if exact else tasks, policy, parameters, seed)
        wait: float = run.record["p95_wait_s"]
        if counted:
            wait = percentile(_forecast_waits(tasks, run.worlds), 95)
        waits.append(wait)
        hours.append(run.record["worker_hours"])
    return fmean(waits), fmean(hours)


def _exact(tasks: Workload) -> Workload:
    def size(due: float) -> int:
        return sum(0 <= task.arrival - due < _FORECAST_SECONDS for task in tasks.tasks)

    return replace(tasks, due_runs=[DueRun(run.due, size(run.due)) for run in tasks.due_runs])


def _forecast_waits(tasks: Workload, worlds: Sequence[World]) -> list[float]:
    return [
        job.started - job.arrival
        for world in worlds
        for job in world.jobs
        if job.started is not None and _is_forecast(tasks, job.arrival)
    ]


def _is_forecast(tasks: Workload, arrival: float) -> bool:
    return any(0 <= arrival - run.due < _FORECAST_SECONDS for run in tasks.due_runs)


def _has_unforecast(tasks: Workload) -> bool:
    return not all(_is_forecast(tasks, task.arrival) for task in tasks.tasks)
