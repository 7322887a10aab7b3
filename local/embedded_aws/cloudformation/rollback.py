"""A resource whose create failed is deleted by the rollback, as on AWS.

CloudFormation sends a custom resource that answered FAILED to its Create a Delete for the same
physical id, and deletes the nested stack that failed. ministack 1.5.33 forgets a resource as
soon as its create fails, and leaves behind whatever exists of it. Without rollback (or when a
child keeps its failure) the resource stays in the stack and is deleted with the stack.

The same holds for a resource that the rollback of a create could not delete: the stack is
ROLLBACK_FAILED, and deleting the stack tries again. ministack forgets that resource as well.
"""

from typing import Any

from ministack.core.responses import now_iso
from ministack.services.cloudformation import stacks

from embedded_aws.cloudformation.engine import Created, FailedCreateError, Properties, stack_named
from embedded_aws.settings import Settings


def install(settings: Settings) -> None:
    provision = stacks._provision_resource
    roll_back = stacks._roll_back_operation

    def provision_and_remember_failures(
        resource_type: str, logical_id: str, properties: Properties, stack_name: str
    ) -> Created:
        try:
            created: Created = provision(resource_type, logical_id, properties, stack_name)
        except FailedCreateError as failure:
            _remember(resource_type, logical_id, properties, stack_name, failure)
            raise
        return created

    async def roll_back_failed_creates_too(
        stack_name: str,
        stack_id: str,
        stack: dict[str, Any],
        operation: dict[str, Any],
        reason_override: str = "",
    ) -> None:
        failed = operation.get("failed_logical_id")
        record = stack.get("_resources", {}).get(failed, {})
        if record.get("ResourceStatus") == "CREATE_FAILED" and failed not in operation["created"]:
            operation["created"].append(failed)
        await roll_back(stack_name, stack_id, stack, operation, reason_override)
        if stack["StackStatus"] == "ROLLBACK_FAILED":
            _keep_what_is_left(stack)

    stacks._provision_resource = provision_and_remember_failures
    stacks._roll_back_operation = roll_back_failed_creates_too


def _keep_what_is_left(stack: dict[str, Any]) -> None:
    for logical_id, left in stack.get("_rollback_failed", {}).items():
        stack["_resources"].setdefault(
            logical_id,
            {
                **left,
                "LogicalResourceId": logical_id,
                "ResourceStatus": "DELETE_FAILED",
                "Attributes": {},
                "Timestamp": now_iso(),
            },
        )


def _remember(
    resource_type: str,
    logical_id: str,
    properties: Properties,
    stack_name: str,
    failure: FailedCreateError,
) -> None:
    stack = stack_named(stack_name)
    if stack is None:
        return
    stack["_resources"][logical_id] = {
        "PhysicalResourceId": failure.physical_id,
        "ResourceType": resource_type,
        "ResourceStatus": "CREATE_FAILED",
        "ResourceStatusReason": str(failure),
        "LogicalResourceId": logical_id,
        "Properties": dict(properties),
        "Attributes": {},
        "Timestamp": now_iso(),
    }
