"""The small part of ministack's CloudFormation that the other modules of this folder use.

Each private name of ministack is used here or in the one module that replaces it. So a new
ministack can break few places, and each of them has a contract test.
"""

from collections.abc import Callable, Mapping
from typing import Any

import boto3
from ministack.core.responses import get_region
from ministack.services import cloudformation
from ministack.services.cloudformation import provisioners

from embedded_aws.settings import Settings

Properties = Mapping[str, Any]
Attributes = dict[str, Any]
Created = tuple[str, Attributes]

# create(logical id, properties, stack name) and update(physical id, old and new properties,
# stack name, logical id) return the physical id and the attributes of Fn::GetAtt.
Create = Callable[[str, Properties, str], Created]
Update = Callable[[str, Properties, Properties, str, str], Created]
Delete = Callable[[str, Properties], None]


class FailedCreateError(RuntimeError):
    """A create failed after the resource had a physical id, so the rollback must delete it."""

    def __init__(self, message: str, physical_id: str) -> None:
        super().__init__(message)
        self.physical_id = physical_id


def register(
    resource_type: str, create: Create, delete: Delete, update: Update | None = None
) -> None:
    """Register a resource type. Without ``update`` a change replaces the resource."""
    handlers: dict[str, Any] = {"create": create, "delete": delete}

    def replace(
        _physical_id: str, _old: Properties, new: Properties, stack_name: str, logical_id: str
    ) -> Created:
        return create(logical_id, new, stack_name)

    handlers["update"] = update or replace
    handlers["update_with_logical_id"] = True
    provisioners._RESOURCE_HANDLERS[resource_type] = handlers


def handlers_of(resource_type: str) -> dict[str, Any]:
    """ministack's own handlers of a type, to be wrapped."""
    handlers: dict[str, Any] = provisioners._RESOURCE_HANDLERS[resource_type]
    return handlers


def after_each_deployment(resource_type: str, act: Callable[[str, Properties], None]) -> None:
    """Call `act` with id and properties when a stack has created or updated such a resource."""
    handlers = handlers_of(resource_type)
    create, update = handlers["create"], handlers["update"]

    def create_and_act(logical_id: str, properties: Properties, stack_name: str) -> Created:
        created: Created = create(logical_id, properties, stack_name)
        act(created[0], properties)
        return created

    def update_and_act(name: str, old: Properties, new: Properties, *more: Any) -> Created:
        updated: Created = update(name, old, new, *more)
        act(updated[0], new)
        return updated

    handlers.update(create=create_and_act, update=update_and_act)


def stacks() -> Any:
    """All stacks by name, of the account and region of the current request."""
    return cloudformation._stacks


def stack_named(name_or_id: str) -> dict[str, Any] | None:
    """A stack's record by name or stack id; a deleted one is found by its id only."""
    if name_or_id in stacks():
        named: dict[str, Any] = stacks()[name_or_id]
        return named
    return next((found for found in stacks().values() if found["StackId"] == name_or_id), None)


def logical_path(stack_name: str, logical_id: str = "") -> str:
    """Where a resource is declared, the same in each deployment: ROOT STACK/NESTED/RESOURCE."""
    path = [logical_id] if logical_id else []
    stack = stack_named(stack_name) or {}
    parent = stack_named(stack.get("ParentId", ""))
    while parent is not None:
        # The name of a nested stack is PARENT-LOGICAL ID-SUFFIX.
        own = stack["StackName"].removeprefix(parent["StackName"] + "-")
        path.insert(0, own.rpartition("-")[0])
        stack, parent = parent, stack_named(parent.get("ParentId", ""))
    return "/".join([stack.get("StackName", stack_name), *path])


def stack_events(stack_id: str) -> list[dict[str, Any]]:
    """A stack's events, oldest first."""
    events: list[dict[str, Any]] = cloudformation._stack_events.get(stack_id, [])
    return events


def physical_name(stack_name: str, logical_id: str, max_length: int = 128) -> str:
    """A name as CloudFormation generates it: stack, logical id, suffix."""
    return str(provisioners._physical_name(stack_name, logical_id, max_len=max_length))


def own_client(settings: Settings, service: str) -> Any:
    """A client of the emulator itself. Handlers run beside the event loop, so it can answer."""
    make_client: Callable[..., Any] = boto3.client
    return make_client(
        service,
        endpoint_url=settings.endpoint_url,
        region_name=get_region(),
        aws_access_key_id="test",
        aws_secret_access_key="test",  # noqa: S106 - not checked
    )
