"""DeleteStack: each resource after those that depend on it, and otherwise side by side."""

import logging
from collections.abc import Iterable
from typing import Any

from ministack.services import cloudformation
from ministack.services.cloudformation import stacks

from embedded_aws.cloudformation.engine import stack_named
from embedded_aws.cloudformation.operations.records import Record, Scope, failed_to
from embedded_aws.cloudformation.operations.steps import Steps, needs_of, reversed_needs
from embedded_aws.cloudformation.operations.turns import Turn, take_turn

logger = logging.getLogger("embedded_aws.cloudformation")


async def delete(
    stack_name: str, stack_id: str, retain_resources: Iterable[str] = (), force: bool = False
) -> None:
    """Delete a stack. The same call as ministack's."""
    stack = stack_named(stack_name)
    if stack is not None:
        await Deletion(stack_name, stack_id, stack, set(retain_resources), force).run()


class Deletion:
    def __init__(
        self, stack_name: str, stack_id: str, stack: dict[str, Any], retained: set[str], force: bool
    ) -> None:
        self._stack = stack
        self._scope = Scope(
            stack_name, stack_id, stack.get("_template") or {}, stack.get("_resolved_params", {}),
            stack.get("_conditions", {}),
        )  # fmt: skip
        self._resources: dict[str, Record] = stack.setdefault("_resources", {})
        self._retained = retained
        self._force = force
        self._failed: list[str] = []
        if force:
            self._retain_with_dependencies(
                name for name, one in self._resources.items()
                if one.get("ResourceStatus") == "DELETE_FAILED"
            )  # fmt: skip

    async def run(self) -> None:
        stack, scope = self._stack, self._scope
        stack["StackStatus"] = "DELETE_IN_PROGRESS"
        scope.stack_event("DELETE_IN_PROGRESS")
        # What an update could not delete is in the stack, but not in the template.
        needs = needs_of(scope.definitions, self._resources)
        await Steps(reversed_needs(needs), self._delete).run()
        if self._failed:
            reason = failed_to("delete", sorted(self._failed)).rstrip()
            stack.update(StackStatus="DELETE_FAILED", StackStatusReason=reason)
            scope.stack_event("DELETE_FAILED", reason)
            return
        for output in stack.get("Outputs", []):
            if output.get("ExportName"):
                cloudformation._exports.pop(output["ExportName"], None)
        stack["StackStatus"] = "DELETE_COMPLETE"
        scope.stack_event("DELETE_COMPLETE")

    async def _delete(self, logical_id: str, turn: Turn) -> bool:
        """Always succeeds: a failure does not stop the deletion of other resources."""
        scope, found = self._scope, self._resources[logical_id]
        resource_type, physical_id = found["ResourceType"], found["PhysicalResourceId"]
        properties = found.get("Properties", {})
        policy = scope.policy(logical_id, "DeletionPolicy", self._resources)
        if policy in stacks._RETAINING_POLICIES or logical_id in self._retained:
            scope.event(logical_id, resource_type, "DELETE_SKIPPED", physical=physical_id)
            del self._resources[logical_id]
            return True

        def delete() -> None:
            if policy == "Snapshot":
                stacks._snapshot_resource(resource_type, physical_id, properties)
            stacks._delete_resource(resource_type, physical_id, properties, scope.name, logical_id)

        scope.event(logical_id, resource_type, "DELETE_IN_PROGRESS", physical=physical_id)
        try:
            await take_turn(delete, turn=turn)
        except Exception as error:
            self._record_failure(logical_id, error)
            return True
        scope.event(logical_id, resource_type, "DELETE_COMPLETE", physical=physical_id)
        del self._resources[logical_id]
        return True

    def _record_failure(self, logical_id: str, error: Exception) -> None:
        found = self._resources[logical_id]
        resource_type, physical_id = found["ResourceType"], found["PhysicalResourceId"]
        logger.error("%s (%s) is not deleted: %s", logical_id, physical_id, error)
        if self._force:
            # FORCE_DELETE_STACK keeps what fails, and what that depends on.
            self._scope.event(logical_id, resource_type, "DELETE_SKIPPED", str(error), physical_id)
            del self._resources[logical_id]
            self._retain_with_dependencies([logical_id])
            return
        self._scope.event(logical_id, resource_type, "DELETE_FAILED", str(error), physical_id)
        found.update(ResourceStatus="DELETE_FAILED", ResourceStatusReason=str(error))
        self._failed.append(logical_id)

    def _retain_with_dependencies(self, logical_ids: Iterable[str]) -> None:
        self._retained |= stacks._with_dependencies(
            list(logical_ids), self._scope.definitions, set(self._resources)
        )
