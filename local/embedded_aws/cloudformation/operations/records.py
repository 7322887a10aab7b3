"""What an operation works on: the stack, its template, and what is recorded of its resources."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ministack.core.responses import now_iso
from ministack.services.cloudformation import engine, stacks

Record = dict[str, Any]
STACK = "AWS::CloudFormation::Stack"


@dataclass(frozen=True)
class Scope:
    """A stack with one of its templates, to resolve what the template says."""

    name: str
    id: str
    template: dict[str, Any]
    values: dict[str, Any]
    conditions: dict[str, bool]

    @classmethod
    def of(
        cls, name: str, stack_id: str, template: dict[str, Any] | None, values: dict[str, Any]
    ) -> "Scope":
        conditions = engine._evaluate_conditions(template or {}, values)
        return cls(name, stack_id, template or {}, values, conditions)

    @cached_property
    def definitions(self) -> dict[str, Any]:
        """The resources that no condition leaves out."""
        return {
            logical_id: definition
            for logical_id, definition in (self.template.get("Resources") or {}).items()
            if self.conditions.get(definition.get("Condition"), True)
        }

    @property
    def mappings(self) -> dict[str, Any]:
        return self.template.get("Mappings") or {}

    def policy(self, logical_id: str, attribute: str, resources: dict[str, Record]) -> str:
        """DeletionPolicy or UpdateReplacePolicy."""
        policy: str = stacks._resource_policy(
            self.definitions.get(logical_id), attribute, resources, self.values, self.conditions,
            self.mappings, self.name, self.id,
        )  # fmt: skip
        return policy

    def event(
        self, logical_id: str, resource_type: str, status: str, reason: str = "", physical: str = ""
    ) -> None:
        stacks._add_event(self.id, self.name, logical_id, resource_type, status, reason, physical)

    def stack_event(self, status: str, reason: str = "") -> None:
        self.event(self.name, STACK, status, reason, self.id)

    def tagged(
        self, logical_id: str, resource_type: str, properties: Any, tags: list[dict[str, str]]
    ) -> dict[str, Any]:
        """The properties with the tags of the stack, as a handler gets them."""
        with_tags: dict[str, Any] = stacks._with_stack_tags(
            resource_type, properties, tags, self.name, self.id, logical_id
        )
        return with_tags


def record(
    logical_id: str,
    resource_type: str,
    status: str,
    physical_id: str,
    properties: Any,
    attributes: Any = None,
    **more: Any,
) -> Record:
    return {
        "PhysicalResourceId": physical_id,
        "ResourceType": resource_type,
        "ResourceStatus": status,
        "LogicalResourceId": logical_id,
        "Properties": properties,
        "Attributes": attributes or {},
        "Timestamp": now_iso(),
        **{key: value for key, value in more.items() if value},
    }


def failed_to(verb: str, logical_ids: list[str]) -> str:
    """CloudFormation's sentence about failed resources; empty without any."""
    if not logical_ids:
        return ""
    return f"The following resource(s) failed to {verb}: [{', '.join(logical_ids)}]. "
