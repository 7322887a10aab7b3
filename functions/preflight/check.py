"""The check itself: parameters first, because the role is only of use to a stack that may be."""

from collections.abc import Mapping
from typing import Any

from preflight.parameters import find_problems
from preflight.ports import ServiceLinkedRoles

# In an account that never used ECS, creating the first cluster and creating its role race each
# other. Made here, the role is there before the cluster is.
ECS_SERVICE = "ecs.amazonaws.com"


class ParametersRefusedError(Exception):
    """The stack cannot be created with these parameters."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__(" ".join(problems))


def check(properties: Mapping[str, Any], roles: ServiceLinkedRoles) -> None:
    problems = find_problems(properties)
    if problems:
        raise ParametersRefusedError(problems)
    roles.ensure(ECS_SERVICE)
