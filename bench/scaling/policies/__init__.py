"""The policies by their names on the command line."""

from collections.abc import Callable
from typing import Protocol

from bench.scaling.policies.keda import Keda
from bench.scaling.policies.mwaa import MwaaBefore, MwaaNow
from bench.scaling.policies.ours import Ours
from bench.scaling.policies.seeds import SeedFirst, SeedNow
from bench.scaling.policies.target_tracking import Cpu
from bench.scaling.workloads import DueRun
from bench.scaling.world import World


class Policy(Protocol):
    """Installs itself in a world; everything else happens through events."""

    def __init__(self, world: World) -> None: ...


Maker = Callable[[World, list[DueRun]], object]


def _plain(policy: Callable[[World], object]) -> Maker:
    return lambda world, due_runs: policy(world)


POLICIES: dict[str, Maker] = {
    "ours": _plain(Ours),
    "ours-foresight": Ours,
    "mwaa-now": _plain(MwaaNow),
    "mwaa-before": _plain(MwaaBefore),
    "keda": _plain(Keda),
    "cpu": _plain(Cpu),
    "seed-first": _plain(SeedFirst),
    "seed-now": _plain(SeedNow),
}
