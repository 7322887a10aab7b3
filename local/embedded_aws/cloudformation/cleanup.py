"""Nested stacks keep what an update replaced until the root is done, and roll back to exactly that.

On AWS a nested stack deletes the resources that an update replaced or removed only when the whole
tree is updated. If anything in the tree fails before that, the nested stack is rolled back to the
old resources themselves, not to new copies, and what the update had created is deleted when the
whole tree has been rolled back. In between both exist: an old revision of a task definition
is used again while a task of the newer one is still running.

ministack 1.5.33 deletes at the end of each nested stack, and rolls back an updated one by another
update, which creates a third revision.
"""

import asyncio
import logging
from dataclasses import dataclass
from typing import Any

from ministack.services.cloudformation import changesets, handlers, stacks

from embedded_aws.cloudformation.engine import Properties, stack_named
from embedded_aws.cloudformation.operations import roll_back
from embedded_aws.cloudformation.operations.turns import others_meanwhile, take_turn
from embedded_aws.settings import Settings

_CLEANING_UP = "_CLEANUP_IN_PROGRESS"
_UPDATING = ("UPDATE_IN_PROGRESS", "UPDATE_ROLLBACK_IN_PROGRESS")

logger = logging.getLogger(__name__)
Stack = dict[str, Any]


@dataclass(frozen=True)
class Leftover:
    """A resource that a nested stack no longer has, but that exists until the root is done."""

    stack_id: str
    delete_arguments: tuple[Any, ...]


# By the root's id; and by the nested stack's id, how to undo what the root's operation did there.
_leftovers: dict[str, list[Leftover]] = {}
_undo: dict[str, dict[str, Any]] = {}


def install(settings: Settings) -> None:
    delete = stacks._delete_resource
    deploy = stacks._deploy_stack_async

    def delete_now_or_last(
        resource_type: str,
        physical_id: str,
        properties: Properties,
        stack_name: str,
        logical_id: str | None = None,
    ) -> None:
        arguments = (resource_type, physical_id, properties, stack_name, logical_id)
        stack = stack_named(stack_name)
        if stack is None or not _waits_for_its_root(stack):
            delete(*arguments)
            return
        _leftovers.setdefault(stack["RootId"], []).append(Leftover(stack["StackId"], arguments))

    async def deploy_and_clean_up_last(
        stack_name: str,
        stack_id: str,
        template: dict[str, Any],
        param_values: dict[str, Any],
        disable_rollback: bool,
        tags: list[dict[str, str]],
        is_update: bool = False,
        previous_stack: Stack | None = None,
        **more: Any,
    ) -> None:
        await deploy(
            stack_name, stack_id, template, param_values, disable_rollback, tags,
            is_update=is_update, previous_stack=previous_stack, **more,
        )  # fmt: skip
        stack = stack_named(stack_id)
        if stack is None or not is_update:
            return
        if "ParentId" in stack:
            if stack["StackStatus"] == "UPDATE_COMPLETE":
                _undo[stack_id] = _operation(stack, template, param_values, previous_stack or {})
        elif stack["StackStatus"].endswith("_COMPLETE"):
            await clean_up(stack)

    async def clean_up(root: Stack) -> None:
        for stack_id in [child for child in _undo if _is_below(child, root["StackId"])]:
            del _undo[stack_id]
        leftovers = _leftovers.pop(root["StackId"], [])
        status = root["StackStatus"]
        root["StackStatus"] = status + _CLEANING_UP
        for leftover in leftovers:
            try:
                await take_turn(delete, *leftover.delete_arguments)
            except Exception:
                # As on AWS, what the clean-up cannot delete does not fail the operation.
                logger.exception("The clean-up could not delete %s", leftover.delete_arguments[1])
        root["StackStatus"] = status

    stacks._delete_resource = delete_now_or_last
    for module in (stacks, handlers, changesets):
        module._deploy_stack_async = deploy_and_clean_up_last


def roll_back_nested_stack(child: Stack) -> None:
    """Undo what the operation of the root that is being rolled back did to this nested stack.

    If it did nothing there, or failed there, nothing is done: such a stack has rolled itself back.
    """
    operation = _undo.pop(child["StackId"], None)
    if operation is None:
        return
    # What the update replaced is needed again.
    kept = [one for one in _leftovers.get(child["RootId"], []) if one.stack_id != child["StackId"]]
    _leftovers[child["RootId"]] = kept
    with others_meanwhile():
        asyncio.run(
            stacks._roll_back_operation(
                child["StackName"], child["StackId"], child, operation, "Initiated by parent stack"
            )
        )


def _waits_for_its_root(stack: Stack) -> bool:
    status = stack["StackStatus"]
    return "ParentId" in stack and (status in _UPDATING or status.endswith(_CLEANING_UP))


def _operation(
    stack: Stack, template: dict[str, Any], values: dict[str, Any], previous: Stack
) -> dict[str, Any]:
    """The completed update as ministack describes one that failed, to roll it back later."""
    return roll_back.operation(
        is_update=True, previous_stack=previous, created=list(stack["_resources"]),
        template=template, param_values=values, stack_tags=stack.get("Tags"),
        previous_tags=previous.get("Tags"),
    )  # fmt: skip


def _is_below(stack_id: str, root_id: str) -> bool:
    return (stack_named(stack_id) or {}).get("RootId") in (root_id, None)
