"""Resources that do not depend on each other are created in random order, under a seed.

CloudFormation creates them side by side, so either may be first. ministack 1.5.33 creates them in
the order of the alphabet, and a template without a needed DependsOn passes on every run. The
order of a template depends on the seed and its logical ids only.
"""

from typing import Any

from ministack.services.cloudformation import engine, stacks

from embedded_aws.seed import generator_for, seed
from embedded_aws.settings import Settings


def install(settings: Settings) -> None:
    seed()  # in the log before the first deployment
    sort = stacks._topological_sort

    def shuffled(resources: dict[str, Any], conditions: dict[str, bool]) -> list[str]:
        # The stock sort finds cycles and leaves out what a condition leaves out.
        active = sort(resources, conditions)
        return random_order(resources, active)

    stacks._topological_sort = shuffled


def random_order(resources: dict[str, Any], active: list[str]) -> list[str]:
    """The logical ids, each after those that it depends on, and otherwise in random order."""
    generator = generator_for(sorted(active))
    waiting = {
        name: set(engine._extract_deps(resources[name], set(active))) - {name} for name in active
    }
    ordered: list[str] = []
    while waiting:
        free = sorted(name for name, needs in waiting.items() if not needs & waiting.keys())
        chosen = generator.choice(free)
        ordered.append(chosen)
        del waiting[chosen]
    return ordered
