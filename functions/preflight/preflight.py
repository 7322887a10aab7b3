"""The preflight: check the parameters, then provide what the templates cannot.

The parameters come first: the role and the prefix list are only of use to a stack that can exist.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from preflight.checks.all_checks import find_problems
from preflight.checks.broker import broker_changes, running_workers_problem
from preflight.parameters import Parameters
from preflight.ports import PrefixLists, ServiceLinkedRoles, Stacks, Workers
from shared.cloudformation.custom_resource import CustomResourceRequest

# In an account that never used ECS, the creation of the first cluster starts the creation of this
# role and does not wait for it. Created here, the role exists before the cluster does.
ECS_SERVICE = "ecs.amazonaws.com"
CLOUDFRONT_PREFIX_LIST = "com.amazonaws.global.cloudfront.origin-facing"


class ParametersRefusedError(Exception):
    """The stack cannot be deployed with these parameters."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = problems
        super().__init__(" ".join(problems))


def _ignore(problems: Sequence[str]) -> None:
    """Report to no one."""


@dataclass(frozen=True)
class Preflight:
    roles: ServiceLinkedRoles
    prefix_lists: PrefixLists
    stacks: Stacks
    workers: Workers
    # Called with problems that are not refused because the stack is rolling back.
    tolerated: Callable[[Sequence[str]], None] = _ignore

    def run(self, request: CustomResourceRequest) -> None:
        """Check the parameters and provide the role, or raise ParametersRefusedError."""
        self._check(request)
        if Parameters(request.properties).text("IngressMode") == "cloudfront":
            self.cloudfront_prefix_list()
        self.roles.ensure(ECS_SERVICE)

    def cloudfront_prefix_list(self) -> dict[str, str]:
        """The attributes of Custom::CloudFrontPrefixList, or ParametersRefusedError."""
        found = self.prefix_lists.find(CLOUDFRONT_PREFIX_LIST)
        if not found:
            raise ParametersRefusedError(
                [
                    "IngressMode is cloudfront, but this region has no prefix list of CloudFront's "
                    f"addresses ({CLOUDFRONT_PREFIX_LIST}): set IngressMode to load-balancer or "
                    "internal."
                ]
            )
        return {"PrefixListId": found}

    def _problems_of_running_workers(
        self, properties: Mapping[str, Any], former: Mapping[str, Any]
    ) -> list[str]:
        """The former broker is deleted with the update, and with it what workers hold of it."""
        parameters = Parameters(properties)
        former_broker = broker_changes(parameters, Parameters(former))
        if former_broker is None:
            return []
        count = self.workers.count(parameters.text("StackName"))
        return [running_workers_problem(former_broker, count)] if count else []

    def _check(self, request: CustomResourceRequest) -> None:
        former = request.old_properties if request.request_type == "Update" else None
        problems = find_problems(request.properties, former)
        if former is not None:
            problems += self._problems_of_running_workers(request.properties, former)
        if not problems:
            return
        # A rollback goes back to parameters that were deployed before. A refusal would leave the
        # stack in UPDATE_ROLLBACK_FAILED.
        if former is not None and self.stacks.is_rolling_back(request.stack_id):
            self.tolerated(problems)
            return
        raise ParametersRefusedError(problems)
