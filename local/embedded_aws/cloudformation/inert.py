"""Resource types that mean nothing on one machine: they get an id and do nothing.

Everything that is not emulated and not on this list fails the deployment before anything is
made. So the list is short, explicit, and each entry says why nothing is lost.
"""

import uuid

from embedded_aws.cloudformation.engine import Created, Properties, register
from embedded_aws.settings import Settings

# Type: the prefix of its generated ids, and the attributes that hold the id too.
INERT_TYPES: dict[str, tuple[str, tuple[str, ...]]] = {
    # There is no network traffic to log.
    "AWS::EC2::FlowLog": ("fl-", ("Id",)),
    # No firewall stands before a loopback address.
    "AWS::WAFv2::WebACLAssociation": ("webacl-association-", ()),
    # Nobody is billed.
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
