"""Properties that the API of a service refuses fail their resource, when it is created or updated.

ministack 1.5.33 takes almost any text: a description with an apostrophe, a name of 100 characters.
The table is `embedded_aws.limits`, which tests/templates uses as well. A type or a property without
an entry passes here, and is logged: only tests/templates insists on entries.
"""

import logging
from typing import Any

from ministack.services.cloudformation import stacks

from embedded_aws.cloudformation.engine import Created, Properties
from embedded_aws.limits.resources import findings
from embedded_aws.limits.tables import limits_of
from embedded_aws.settings import Settings

# How the services call it; most others say ValidationException.
_CODES = {
    "EC2": "InvalidParameterValue",
    "ElastiCache": "InvalidParameterValue",
    "ElasticLoadBalancingV2": "ValidationError",
    "IAM": "ValidationError",
    "RDS": "InvalidParameterValue",
    "S3": "InvalidArgument",
    "SNS": "InvalidParameter",
    "SQS": "InvalidAttributeValue",
}
# Only CloudFormation may set these tags.
_OWN_TAGS = "aws:cloudformation:"

logger = logging.getLogger("embedded_aws.cloudformation")


class LimitError(ValueError):
    """A service would refuse the properties."""


def install(settings: Settings) -> None:
    provision, update = stacks._provision_resource, stacks._update_resource

    def provision_within_limits(
        resource_type: str, logical_id: str, properties: Properties, stack_name: str
    ) -> Created:
        check(resource_type, properties)
        created: Created = provision(resource_type, logical_id, properties, stack_name)
        return created

    def update_within_limits(
        resource_type: str, physical_id: str, old: Properties, new: Properties, *more: Any
    ) -> Any:
        if old != new:
            check(resource_type, new)
        return update(resource_type, physical_id, old, new, *more)

    stacks._provision_resource = provision_within_limits
    stacks._update_resource = update_within_limits


def check(resource_type: str, properties: Properties) -> None:
    """LimitError if the API of the type's service would refuse a property."""
    limits = limits_of(resource_type)
    if limits is None:
        logger.warning("%s has no entry in the table of limits", resource_type)
        return
    refused = [str(found) for found in findings(limits, _own(properties)) if not found.unlisted]
    if refused:
        service = resource_type.split("::")[1]
        code = _CODES.get(service, "ValidationException")
        raise LimitError(f"{'; '.join(refused)} ({code})")


def _own(properties: Properties) -> Properties:
    tags = properties.get("Tags")
    if not isinstance(tags, list):
        return properties
    own = [tag for tag in tags if not str(tag.get("Key", "")).startswith(_OWN_TAGS)]
    return {**properties, "Tags": own}
