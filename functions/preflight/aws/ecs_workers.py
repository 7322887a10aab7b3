"""The worker tasks of a stack."""

from typing import TYPE_CHECKING

from contracts.names import WORKER, task_family
from shared.aws.named_errors import named_errors

if TYPE_CHECKING:
    from mypy_boto3_ecs import ECSClient


class EcsWorkers:
    def __init__(self, client: "ECSClient") -> None:
        self._client = client

    def count(self, stack_name: str) -> int:
        # The cluster has the name of the stack.
        pages = self._client.get_paginator("list_tasks").paginate(
            cluster=stack_name, family=task_family(stack_name, WORKER), desiredStatus="RUNNING"
        )
        with named_errors("list the workers"):
            return sum(len(page["taskArns"]) for page in pages)
