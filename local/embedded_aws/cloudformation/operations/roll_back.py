"""The rollback of a failed create or update, and what it needs to know.

An update goes back to the previous template: changes in place are sent back in the order of that
template's dependencies, side by side; then what the update has created is deleted. A create is
deleted. What failed after it had a physical id is deleted as well: a custom resource that answered
FAILED to its Create gets a Delete for the same id. What cannot be deleted stays in the stack, which
is then ROLLBACK_FAILED, and the deletion of the stack tries again.
"""

import logging
from typing import Any

from ministack.core.responses import now_iso
from ministack.services.cloudformation import stacks

from embedded_aws.cloudformation.operations.records import Record, Scope, failed_to
from embedded_aws.cloudformation.operations.steps import Steps, needs_of, reversed_needs
from embedded_aws.cloudformation.operations.turns import Turn, take_turn

logger = logging.getLogger("embedded_aws.cloudformation")
_roll_back_imports_too = stacks._roll_back_operation


def operation(**known: Any) -> dict[str, Any]:
    """A failed operation, which the stack's record may keep until RollbackStack. Plain values."""
    return {
        # The resources that were created or updated, and those of them that were replaced.
        "created": [],
        "replaced_ids": [],
        # What failed or was cancelled, and what was sent to those that existed before.
        "failed_to_create": [],
        "failed_to_update": [],
        "failed_updates": {},
        # True by the parent, or the reason.
        "cancelled": False,
        **known,
    }


def has_failed(operation: dict[str, Any]) -> bool:
    return bool(
        operation["cancelled"] or operation["failed_to_create"] or operation["failed_to_update"]
    )


def sentences(operation: dict[str, Any]) -> str:
    return "".join(
        failed_to(verb, sorted(operation.get(f"failed_to_{verb}", [])))
        for verb in ("create", "update")
    )


async def roll_back(
    stack_name: str,
    stack_id: str,
    stack: dict[str, Any],
    operation: dict[str, Any],
    reason_override: str = "",
) -> None:
    """Roll the operation back. The same call as ministack's."""
    if operation.get("imports"):
        await _roll_back_imports_too(stack_name, stack_id, stack, operation, reason_override)
        return
    await Rollback(stack_name, stack_id, stack, operation).run(reason_override)


class Rollback:
    def __init__(
        self, stack_name: str, stack_id: str, stack: dict[str, Any], operation: dict[str, Any]
    ) -> None:
        self._stack = stack
        self._operation = operation
        self._scope = Scope.of(
            stack_name, stack_id, operation.get("template"), operation.get("param_values") or {}
        )
        self._previous: dict[str, Any] | None = (
            operation.get("previous_stack") if operation.get("is_update") else None
        )
        previous = self._previous or {}
        self._old: dict[str, Record] = previous.get("_resources", {})
        self._old_scope = Scope.of(
            stack_name, stack_id, previous.get("_template"), previous.get("_resolved_params", {})
        )
        self._resources: dict[str, Record] = stack.setdefault("_resources", {})
        # What ContinueUpdateRollback, or the deletion of the stack, tries again.
        self._left: dict[str, Record] = {}

    async def run(self, reason: str) -> None:
        stack, is_update = self._stack, self._operation.get("is_update", False)
        stack.pop("_failed_operation", None)
        prefix = "UPDATE_ROLLBACK" if is_update else "ROLLBACK"
        stack["StackStatus"] = f"{prefix}_IN_PROGRESS"
        self._scope.stack_event(stack["StackStatus"], reason or self._reason())
        reverts = self._reverts()
        await Steps(
            needs_of(self._old_scope.definitions, reverts),
            lambda name, turn: self._revert(name, reverts[name], turn),
        ).run()
        cleans_up = bool(self._previous and not self._left)
        if cleans_up:
            stack["StackStatus"] = "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS"
            self._scope.stack_event(stack["StackStatus"])
        made = [
            name for name in self._operation.get("created", [])
            if not self._is_kept(name)
        ]  # fmt: skip
        needs = needs_of(self._scope.definitions, made)
        await Steps(
            reversed_needs(needs), lambda name, turn: self._delete(name, cleans_up, turn)
        ).run()
        if self._previous:
            self._restore(self._previous)
        if self._left:
            stack["StackStatus"] = f"{prefix}_FAILED"
            stack["StackStatusReason"] = stacks._rollback_failure_reason(self._left)
            stack["_rollback_failed"] = self._left
            if not is_update:
                self._keep_what_is_left()
            self._scope.stack_event(stack["StackStatus"], stack["StackStatusReason"])
            return
        stack["StackStatus"] = f"{prefix}_COMPLETE"
        self._scope.stack_event(stack["StackStatus"], "" if self._previous else "Rollback complete")

    def _reason(self) -> str:
        cancelled = self._operation.get("cancelled")
        if isinstance(cancelled, str):
            return cancelled
        reason = sentences(self._operation)
        return (
            reason if self._operation.get("is_update") else f"{reason}Rollback requested by user."
        )

    def _is_kept(self, logical_id: str) -> bool:
        """Whether the resource existed before the operation."""
        now, before = self._resources.get(logical_id, {}), self._old.get(logical_id)
        return (
            before is not None
            and before["PhysicalResourceId"] == now.get("PhysicalResourceId")
            and logical_id not in self._operation.get("replaced_ids", [])
        )

    def _reverts(self) -> dict[str, list[Any]]:
        """What to send back, by logical id: type, id, properties now and before, attributes."""
        found: dict[str, list[Any]] = {}
        for logical_id in self._operation.get("created", []):
            if not self._is_kept(logical_id):
                continue
            now, before = self._resources[logical_id], self._old[logical_id]
            resource_type = now["ResourceType"]
            applied = self._scope.tagged(
                logical_id, resource_type, now["Properties"], self._operation["stack_tags"]
            )
            previous = self._scope.tagged(
                logical_id, resource_type, before["Properties"], self._operation["previous_tags"]
            )
            if applied != previous:
                found[logical_id] = [
                    resource_type, now["PhysicalResourceId"], applied, previous,
                    now.get("Attributes", {}),
                ]  # fmt: skip
        return {**found, **self._operation.get("failed_updates", {})}

    async def _revert(self, logical_id: str, update: list[Any], turn: Turn) -> bool:
        resource_type, physical_id, applied, previous, attributes = update
        before = self._old.get(logical_id)
        if logical_id in self._operation.get("failed_updates", {}) and (
            applied is None
            or applied == previous
            or not stacks._sends_back_failed_update(resource_type)
        ):
            # Its handler has changed nothing.
            self._scope.event(logical_id, resource_type, "UPDATE_COMPLETE", physical=physical_id)
            stacks._mark_rolled_back(before)
            return True
        try:
            await self._send_back(logical_id, update, before, turn)
        except Exception as error:
            logger.error("The rollback of %s failed: %s", logical_id, error)
            self._scope.event(logical_id, resource_type, "UPDATE_FAILED", str(error), physical_id)
            self._left[logical_id] = {
                "PhysicalResourceId": physical_id, "ResourceType": resource_type,
                "RevertFrom": applied, "RevertTo": previous, "Attributes": attributes,
            }  # fmt: skip
        # What depends on a resource that cannot go back is sent back all the same.
        return True

    async def _send_back(
        self, logical_id: str, update: list[Any], before: Record | None, turn: Turn
    ) -> None:
        resource_type, physical_id, applied, previous, attributes = update
        self._scope.event(logical_id, resource_type, "UPDATE_IN_PROGRESS", physical=physical_id)
        stacks._NAME_SEED.set((before or {}).get("_name_seed", ""))
        new_id, new_attributes = await take_turn(
            stacks._update_resource, resource_type, physical_id, applied, previous,
            self._scope.name, logical_id, attributes, turn=turn,
        )  # fmt: skip
        if before is not None:
            before["PhysicalResourceId"] = new_id
            before["Attributes"] = {**before.get("Attributes", {}), **(new_attributes or {})}
        stacks._mark_rolled_back(before)
        self._scope.event(logical_id, resource_type, "UPDATE_COMPLETE", physical=new_id)

    async def _delete(self, logical_id: str, cleans_up: bool, turn: Turn) -> bool:
        made = self._resources.get(logical_id, {})
        resource_type = made.get("ResourceType", "")
        physical_id = made.get("PhysicalResourceId", "")
        policy = self._scope.policy(logical_id, "DeletionPolicy", self._resources)
        if policy == "Retain" and not self._operation.get("retain_except_on_create"):
            self._scope.event(logical_id, resource_type, "DELETE_SKIPPED", physical=physical_id)
            self._resources.pop(logical_id, None)
            return True
        self._scope.event(logical_id, resource_type, "DELETE_IN_PROGRESS", physical=physical_id)
        try:
            await take_turn(
                stacks._delete_resource, resource_type, physical_id, made.get("Properties", {}),
                self._scope.name, logical_id, turn=turn,
            )  # fmt: skip
        except Exception as error:
            logger.error("The rollback cannot delete %s: %s", logical_id, error)
            self._scope.event(logical_id, resource_type, "DELETE_FAILED", str(error), physical_id)
            if not cleans_up:
                self._left[logical_id] = {
                    "PhysicalResourceId": physical_id, "ResourceType": resource_type,
                    "Properties": made.get("Properties", {}),
                }  # fmt: skip
        else:
            self._scope.event(logical_id, resource_type, "DELETE_COMPLETE", physical=physical_id)
        self._resources.pop(logical_id, None)
        return True

    def _restore(self, previous: dict[str, Any]) -> None:
        """What the stack ran before the update is what the API reports."""
        for key in ("_resources", "_template", "_resolved_params"):
            self._stack[key] = previous.get(key, {})
        for key in ("_template_body", "Parameters", "Tags"):
            if key in previous:
                self._stack[key] = previous[key]
        self._stack["Outputs"] = previous.get("Outputs", [])

    def _keep_what_is_left(self) -> None:
        for logical_id, left in self._left.items():
            self._stack["_resources"][logical_id] = {
                **left,
                "LogicalResourceId": logical_id,
                "ResourceStatus": "DELETE_FAILED",
                "Attributes": {},
                "Timestamp": now_iso(),
            }
