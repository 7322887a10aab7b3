"""Nested stacks (AWS::CloudFormation::Stack) through the whole CloudFormation engine.

ministack 1.5.33 deploys a child with a separate loop: no transforms (SAM, Fn::ForEach), no rules,
no dynamic references, no rollback, and failures of deletes are ignored. On AWS a child is a stack
like any other. So the handlers here call CreateStack, UpdateStack and
DeleteStack themselves, in the worker thread of the parent's operation, and wait for the end.

This module also adds ParentId and RootId to DescribeStacks and ListStacks.
"""

import asyncio
import re
import uuid
from collections.abc import Callable, Iterator
from typing import Any

from ministack.services.cloudformation import handlers, stacks

from embedded_aws.cloudformation.cleanup import roll_back_nested_stack
from embedded_aws.cloudformation.engine import (
    Attributes,
    Created,
    FailedCreateError,
    Properties,
    handlers_of,
    stack_events,
    stack_named,
)
from embedded_aws.cloudformation.operations.turns import others_meanwhile
from embedded_aws.settings import Settings

NESTED_STACK = "AWS::CloudFormation::Stack"
_STACK_NAME_LIMIT = 128
_FAILED = ("CREATE_FAILED", "UPDATE_FAILED", "DELETE_FAILED")

Request = dict[str, list[str]]
Response = tuple[int, dict[str, str], bytes]


def install(settings: Settings) -> None:
    handlers_of(NESTED_STACK).update(
        create=create_nested_stack,
        update=update_nested_stack,
        delete=delete_nested_stack,
        update_with_logical_id=True,
    )
    for action in ("DescribeStacks", "ListStacks"):
        _tell_parents(action)


def create_nested_stack(logical_id: str, properties: Properties, parent_name: str) -> Created:
    parent = _existing(parent_name)
    suffix = f"-{uuid.uuid4().hex[:12].upper()}"
    name = f"{parent_name}-{logical_id}"[: _STACK_NAME_LIMIT - len(suffix)] + suffix
    request = _request(name, properties, parent)
    request["DisableRollback"] = [str(parent.get("DisableRollback", False)).lower()]

    def adopt() -> None:
        child_id = _existing(name)["StackId"]
        _existing(name).update(
            ParentId=parent["StackId"], RootId=parent.get("RootId", parent["StackId"])
        )
        # Clients that watch the parent find the child's events through this one.
        stacks._add_event(
            parent["StackId"], parent["StackName"], logical_id, NESTED_STACK,
            "CREATE_IN_PROGRESS", "Resource creation Initiated", child_id,
        )  # fmt: skip

    _run(handlers._create_stack, request, adopt)
    child = _existing(name)
    if child["StackStatus"] != "CREATE_COMPLETE":
        raise FailedCreateError(_failure(child, "created", 0), child["StackId"])
    return child["StackId"], _outputs(child)


def update_nested_stack(
    stack_id: str, old: Properties, new: Properties, parent_name: str, logical_id: str
) -> Created:
    child = _existing(stack_id)
    events_before = len(stack_events(stack_id))
    if "ROLLBACK" in _existing(parent_name)["StackStatus"]:
        roll_back_nested_stack(child)
        if child["StackStatus"] == "UPDATE_ROLLBACK_FAILED":
            raise RuntimeError(_failure(child, "rolled back", events_before))
        return stack_id, _outputs(child)
    try:
        _run(handlers._update_stack, _request(stack_id, new, _existing(parent_name)))
    except StackOperationRefusedError as refusal:
        if "No updates are to be performed" not in str(refusal):
            raise
        return stack_id, _outputs(child)
    if child["StackStatus"] != "UPDATE_COMPLETE":
        raise RuntimeError(_failure(child, "updated", events_before))
    return stack_id, _outputs(child)


def delete_nested_stack(stack_id: str, properties: Properties) -> None:
    child = stack_named(stack_id)
    if child is None or child["StackStatus"] == "DELETE_COMPLETE":
        return
    if _is_rolled_back_with_its_parent(child):
        _delete_what_is_retained_except_on_create(child)
    events_before = len(stack_events(stack_id))
    _run(handlers._delete_stack, {"StackName": [stack_id]})
    if child["StackStatus"] != "DELETE_COMPLETE":
        raise RuntimeError(_failure(child, "deleted", events_before))


class StackOperationRefusedError(ValueError):
    """CloudFormation refused to start the operation on the child."""


def _run(
    handler: Callable[[Request], Response],
    request: Request,
    when_accepted: Callable[[], None] = lambda: None,
) -> None:
    """Call a CloudFormation action and wait until the operation that it started has ended.

    The action schedules its work on the running event loop. Here that is a separate loop in the
    worker thread of the parent, so nothing is polled and the server continues to serve.
    """

    async def operation() -> None:
        status, _headers, body = handler(request)
        if status >= 400:
            raise StackOperationRefusedError(_error_message(body))
        when_accepted()
        this_task = asyncio.current_task()
        await asyncio.gather(*(task for task in asyncio.all_tasks() if task is not this_task))

    with others_meanwhile():
        asyncio.run(operation())


def _request(stack: str, properties: Properties, parent: dict[str, Any]) -> Request:
    request: Request = {"StackName": [stack], "TemplateURL": [properties["TemplateURL"]]}
    parameters = properties.get("Parameters") or {}
    for number, (key, value) in enumerate(parameters.items(), start=1):
        if isinstance(value, list | dict):
            raise ValueError(
                "Value of property Parameters must be an object with String (or simple type) "
                f"properties: {key} is a list. Join it with commas."
            )
        request[f"Parameters.member.{number}.ParameterKey"] = [key]
        request[f"Parameters.member.{number}.ParameterValue"] = [_text(value)]
    for number, capability in enumerate(parent.get("Capabilities", []), start=1):
        request[f"Capabilities.member.{number}"] = [capability]
    request.update(_tags([*(parent.get("Tags") or []), *(properties.get("Tags") or [])]))
    return request


def _tags(tags: list[dict[str, str]]) -> Request:
    # The tags of the parent reach the child; its own tag of the same name wins.
    own = {tag["Key"]: tag for tag in tags if not tag["Key"].startswith("aws:")}.values()
    return {
        f"Tags.member.{number}.{part}": [str(tag[part])]
        for number, tag in enumerate(own, start=1)
        for part in ("Key", "Value")
    }


def _text(value: Any) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _existing(name_or_id: str) -> dict[str, Any]:
    stack = stack_named(name_or_id)
    if stack is None:
        raise ValueError(f"Stack [{name_or_id}] does not exist")
    return stack


def _outputs(stack: dict[str, Any]) -> Attributes:
    return {f"Outputs.{out['OutputKey']}": out["OutputValue"] for out in stack["Outputs"]}


def _failure(child: dict[str, Any], verb: str, events_before: int) -> str:
    """Why the child failed. AWS names only the resource; the reason here saves a search."""
    reasons = list(_failed_resources(child, events_before))
    what = "; ".join(f"{name}: {reason}" for name, reason in reasons)
    what = what or child.get("StackStatusReason") or child["StackStatus"]
    return f"Embedded stack {child['StackId']} was not successfully {verb}: {what}"


def _failed_resources(child: dict[str, Any], events_before: int) -> Iterator[tuple[str, str]]:
    for event in stack_events(child["StackId"])[events_before:]:
        is_the_stack = event["LogicalResourceId"] == child["StackName"]
        if event["ResourceStatus"] in _FAILED and not is_the_stack:
            yield event["LogicalResourceId"], event["ResourceStatusReason"]


def _is_rolled_back_with_its_parent(child: dict[str, Any]) -> bool:
    """Whether the deletion undoes the parent's operation that made the child.

    A child that an operation found already there is reverted by an update, never deleted.
    """
    parent = stack_named(child.get("ParentId", ""))
    return parent is not None and (
        parent.get("_undoes_its_creation", False) or "ROLLBACK" in parent["StackStatus"]
    )


def _delete_what_is_retained_except_on_create(child: dict[str, Any]) -> None:
    child["_undoes_its_creation"] = True  # for the children of the child
    for resource in (child.get("_template") or {}).get("Resources", {}).values():
        if resource.get("DeletionPolicy") == "RetainExceptOnCreate":
            resource["DeletionPolicy"] = "Delete"


def _error_message(body: bytes) -> str:
    found = re.search(r"<Message>(.*?)</Message>", body.decode(), re.DOTALL)
    return found.group(1) if found else body.decode()


def _tell_parents(action: str) -> None:
    """Add ParentId and RootId, which ministack 1.5.33 keeps but does not show."""
    stock = handlers._ACTION_HANDLERS[action]

    def answer(request: Request) -> Response:
        status, headers, body = stock(request)
        text = re.sub(r"<StackId>([^<]+)</StackId>", _with_parents, body.decode())
        return status, headers, text.encode()

    handlers._ACTION_HANDLERS[action] = answer


def _with_parents(stack_id: re.Match[str]) -> str:
    stack = stack_named(stack_id.group(1)) or {}
    return stack_id.group(0) + "".join(
        f"<{name}>{stack[name]}</{name}>" for name in ("ParentId", "RootId") if name in stack
    )
