"""CloudFormation property names converted to API member names with the botocore model.

`ContainerDefinitions[].LogConfiguration` becomes `containerDefinitions[].logConfiguration`,
while the keys of maps, such as log options or docker labels, stay as they are.
"""

from functools import cache
from typing import Any

import botocore.session
from botocore.model import ListShape, MapShape, Shape, StructureShape


class UnknownPropertyError(ValueError):
    """A property that the API does not know: refused here as AWS would refuse it."""


@cache
def request_shape(service: str, operation: str) -> StructureShape:
    model = botocore.session.get_session().get_service_model(service)
    shape = model.operation_model(operation).input_shape
    if shape is None:
        raise UnknownPropertyError(f"{operation} has no input")
    return shape


def request_members(service: str, operation: str, properties: dict[str, Any]) -> dict[str, Any]:
    """The request of an operation from the properties of a resource."""
    converted: dict[str, Any] = api_members(properties, request_shape(service, operation))
    return converted


def api_members(value: Any, shape: Shape) -> Any:
    if isinstance(shape, StructureShape):
        members = {name.lower(): name for name in shape.members}
        converted = {}
        for key, inner in value.items():
            name = members.get(key.lower())
            if name is None:
                raise UnknownPropertyError(f"{key} is not a member of {shape.name}")
            converted[name] = api_members(inner, shape.members[name])
        return converted
    if isinstance(shape, ListShape):
        return [api_members(item, shape.member) for item in value]
    if isinstance(shape, MapShape):
        return {key: api_members(inner, shape.value) for key, inner in value.items()}
    if shape.type_name in ("integer", "long"):
        return int(value)
    if shape.type_name in ("float", "double"):
        return float(value)
    if shape.type_name == "boolean":
        return str(value).lower() == "true"
    return str(value)
