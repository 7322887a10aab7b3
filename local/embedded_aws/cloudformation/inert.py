"""Resource types that have no effect on one machine: they get an id and do nothing.

A type that is neither emulated nor on this list fails the deployment before anything is created.
So the list is short and explicit, and each entry says why nothing is lost.
"""

import uuid

from embedded_aws.cloudformation.engine import Created, Properties, register
from embedded_aws.settings import Settings

# Type: the prefix of its generated ids, and the attributes that hold the id too.
INERT_TYPES: dict[str, tuple[str, tuple[str, ...]]] = {
    # There is no network traffic to log.
    "AWS::EC2::FlowLog": ("fl-", ("Id",)),
    # A loopback address has no firewall in front of it.
    "AWS::WAFv2::WebACLAssociation": ("webacl-association-", ()),
    # Nothing is billed.
    "AWS::Budgets::Budget": ("budget-", ()),
}


def install(settings: Settings) -> None:
    for resource_type, (prefix, attributes) in INERT_TYPES.items():
        _register_inert(resource_type, prefix, attributes)


def _register_inert(resource_type: str, prefix: str, attributes: tuple[str, ...]) -> None:
    def create(logical_id: str, properties: Properties, stack_name: str) -> Created:
        new_id = f"{prefix}{uuid.uuid4().hex[:17]}"
        return new_id, dict.fromkeys(attributes, new_id)

    def update(
        physical_id: str, old: Properties, new: Properties, stack_name: str, logical_id: str
    ) -> Created:
        return physical_id, dict.fromkeys(attributes, physical_id)

    def delete(physical_id: str, properties: Properties) -> None:
        return None

    register(resource_type, create, delete, update)
