"""Every target with its measured value, and whether it is met."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.scaling.parameters import Parameters
from bench.scaling.workloads import SCHEDULED

# No worker runs when the work arrives.
FROM_ZERO = ("midnight-burst", "hourly-fan-out", "trickle", "seven-silent-minutes")
_ONE_IN_TWENTY = 1.6449

Means = Mapping[tuple[str, str], Mapping[str, Any]]


@dataclass(frozen=True)
class Verdict:
    target: str
    limit: float
    measured: float

    @property
    def holds(self) -> bool:
        return self.measured <= self.limit


def verdicts(
    means: Means, faulty: Sequence[Mapping[str, Any]], parameters: Parameters
) -> list[Verdict]:
    """`means` by workload and policy; `faulty`: the records of ours under injected faults."""
    workloads = sorted({workload for workload, _ in means})

    def ours(workload: str, what: str, policy: str = "ours") -> float:
        return float(means[workload, policy][what])

    def against(workload: str, what: str, policy: str = "ours") -> float:
        return ours(workload, what, policy) / float(means[workload, "mwaa-now"][what])

    def geometric(policy: str) -> float:
        shares = [
            ours(each, "worker_hours", policy) / ours(each, "worker_hours", "optimum")
            for each in workloads
        ]
        return math.exp(sum(map(math.log, shares)) / len(shares))

    launch_p95 = parameters.launch_median * math.exp(_ONE_IN_TWENTY * parameters.launch_spread)
    harmed = [means[key] for key in means if key[1].startswith("ours")] + list(faulty)
    found = [
        Verdict(
            "tasks killed or run twice, faults included", 0, _sum(harmed, "killed", "run_twice")
        ),
        Verdict("messages stranded, faults included", 0, _sum(harmed, "stranded")),
        Verdict("tasks never finished, faults included", 0, _sum(harmed, "unfinished")),
    ]
    for each in FROM_ZERO:
        found.append(
            Verdict(
                f"{each}: p95 wait / p95 of the launch time",
                1.2,
                ours(each, "p95_wait_s") / launch_p95,
            )
        )
        found.append(Verdict(f"{each}: p95 wait / MWAA-now's", 0.55, against(each, "p95_wait_s")))
    for each in workloads:
        found.append(
            Verdict(f"{each}: worker-hours / MWAA-now's", 1.0, against(each, "worker_hours"))
        )
    found.append(
        Verdict("worker-hours / zero-wait optimum, geometric mean", 1.4, geometric("ours"))
    )
    for each in workloads:
        if each in SCHEDULED:
            name = "ours-foresight"
            found += [
                Verdict(
                    f"{each}, foresight: p95 wait / MWAA-now's",
                    0.1,
                    against(each, "p95_wait_s", name),
                ),
                Verdict(
                    f"{each}, foresight: worker-hours / MWAA-now's",
                    1.05,
                    against(each, "worker_hours", name),
                ),
            ]
    found.append(
        Verdict(
            "seconds from the last task to zero workers, maximum",
            300,
            max(ours(each, "slowest_to_zero_s") for each in workloads),
        )
    )
    found.append(
        Verdict(
            "scaler, USD per month, most expensive workload",
            0.5,
            max(ours(each, "scaler_usd_per_month") for each in workloads),
        )
    )
    found.append(
        Verdict(
            "scaler with foresight, USD per month, most expensive workload",
            0.5,
            max(ours(each, "scaler_usd_per_month", "ours-foresight") for each in workloads),
        )
    )
    return found


def _sum(records: Sequence[Mapping[str, Any]], *names: str) -> float:
    return float(sum(record[name] for record in records for name in names))
