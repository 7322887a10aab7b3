"""What an update has replaced or removed: deleted at its end, each after what depended on it."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ministack.core.responses import now_iso
from ministack.services.cloudformation import stacks

from embedded_aws.cloudformation.operations.records import Record, Scope
from embedded_aws.cloudformation.operations.steps import Steps, needs_of, reversed_needs
from embedded_aws.cloudformation.operations.turns import Turn, take_turn

logger = logging.getLogger("embedded_aws.cloudformation")


@dataclass(frozen=True)
class Replaced:
    new_id: str
    # Deletions that the type's handler has left for the end.
    pending_deletes: list[Any]


class Unneeded:
    def __init__(
        self,
        scope: Scope,
        old_scope: Scope,
        resources: dict[str, Record],
        old: dict[str, Record],
    ) -> None:
        self._scope = scope
        self._old_scope = old_scope
        self._resources = resources
        self._old = old
        self.replaced: dict[str, Replaced] = {}

    async def delete(self) -> None:
        removed = set(self._old) - set(self._scope.definitions)

        async def delete(logical_id: str, turn: Turn) -> bool:
            if logical_id in removed:
                await self._delete_removed(logical_id, turn)
            else:
                await self._delete_replaced(logical_id, turn)
            return True

        needs = needs_of(self._old_scope.definitions, removed | set(self.replaced))
        await Steps(reversed_needs(needs), delete).run()

    async def _delete_replaced(self, logical_id: str, turn: Turn) -> None:
        replaced, old = self.replaced[logical_id], self._old[logical_id]
        old_id, resource_type = old["PhysicalResourceId"], old["ResourceType"]
        policy = self._scope.policy(logical_id, "UpdateReplacePolicy", self._resources)
        if policy in stacks._RETAINING_POLICIES:
            if replaced.new_id != old_id:
                self._skipped(logical_id)
            return

        def delete() -> None:
            for handler, arguments, keywords in replaced.pending_deletes:
                handler(*arguments, **keywords)
            if replaced.new_id != old_id:
                stacks._delete_resource(
                    resource_type, old_id, old["Properties"], self._scope.name, logical_id
                )

        await self._is_deleted(logical_id, delete, turn)

    async def _delete_removed(self, logical_id: str, turn: Turn) -> None:
        old = self._old[logical_id]
        policy = self._old_scope.policy(logical_id, "DeletionPolicy", self._old)
        if policy in stacks._RETAINING_POLICIES:
            self._skipped(logical_id)
            self._resources.pop(logical_id, None)
            return
        known = (old["ResourceType"], old["PhysicalResourceId"], old["Properties"])

        def delete() -> None:
            if policy == "Snapshot":
                stacks._snapshot_resource(*known)
            stacks._delete_resource(*known, self._scope.name, logical_id)

        if await self._is_deleted(logical_id, delete, turn):
            self._resources.pop(logical_id, None)

    def _skipped(self, logical_id: str) -> None:
        old = self._old[logical_id]
        self._scope.event(
            logical_id, old["ResourceType"], "DELETE_SKIPPED", physical=old["PhysicalResourceId"]
        )

    async def _is_deleted(self, logical_id: str, delete: Callable[[], None], turn: Turn) -> bool:
        """Delete. A failure does not fail the update; the next operation tries again."""
        old = self._old[logical_id]
        try:
            await take_turn(delete, turn=turn)
        except Exception as error:
            old_id = old["PhysicalResourceId"]
            logger.error("The old %s (%s) is not deleted: %s", logical_id, old_id, error)
            self._scope.event(logical_id, old["ResourceType"], "DELETE_FAILED", str(error), old_id)
            left = self._resources.get(logical_id)
            if left is not None and left["PhysicalResourceId"] == old_id:
                left.update(
                    ResourceStatus="DELETE_FAILED",
                    ResourceStatusReason=str(error),
                    Timestamp=now_iso(),
                )
            return False
        return True
