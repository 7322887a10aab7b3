"""The table, one module for each kind of service."""

from collections.abc import Mapping

from embedded_aws.limits.resources import Resource
from embedded_aws.limits.tables import (
    builds,
    caches,
    containers,
    functions,
    monitoring,
    network,
    operations,
    pipelines,
    protection,
    storage,
)

LIMITS: Mapping[str, Resource] = {
    **network.LIMITS,
    **containers.LIMITS,
    **functions.LIMITS,
    **storage.LIMITS,
    **operations.LIMITS,
    **monitoring.LIMITS,
    **protection.LIMITS,
    **builds.LIMITS,
    **caches.LIMITS,
    **pipelines.LIMITS,
}
CUSTOM = functions.CUSTOM


def limits_of(resource_type: str) -> Resource | None:
    """The entry of a type; None if there is none."""
    return CUSTOM if resource_type.startswith("Custom::") else LIMITS.get(resource_type)
