"""Checks the parameters of an API request against the model of its operation.

Clients check types and required parameters before they send anything. They do not check lengths,
ranges, patterns and words: those are left to the service.
"""

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import botocore.session
from botocore.model import ListShape, MapShape, ServiceModel, Shape, StructureShape

from embedded_aws.limits import api

Problem = tuple[str, str]


@cache
def _model(service: str) -> ServiceModel:
    return botocore.session.get_session().get_service_model(service)


def json_problems(service: str, operation: str, body: bytes) -> list[str]:
    """What a service of the JSON protocol would refuse; the body holds the members by name."""
    shape = _input(service, operation)
    try:
        given = json.loads(body or b"{}")
    except ValueError:
        return []
    return [f"{path} {text}" for path, text in _walk(given, shape, "")] if shape else []


def query_problems(service: str, operation: str, parameters: Mapping[str, str]) -> list[str]:
    """What a service of the query protocol would refuse: `Tags.member.1.Key=...`."""
    shape = _input(service, operation)
    if shape is None:
        return []
    given = _nested(shape, "", parameters)
    return [f"{path} {text}" for path, text in _walk(given, shape, "")]


def _input(service: str, operation: str) -> Shape | None:
    model = _model(service)
    if operation not in model.operation_names:
        return None
    shape: Shape | None = model.operation_model(operation).input_shape
    return shape


def _walk(value: Any, shape: Shape, path: str) -> Iterator[Problem]:
    if value is None:
        return
    if isinstance(shape, StructureShape):
        if isinstance(value, dict):
            for name, inner in value.items():
                if name in shape.members:
                    yield from _walk(inner, shape.members[name], f"{path}.{name}".lstrip("."))
    elif isinstance(shape, ListShape):
        if isinstance(value, list):
            yield from ((path, text) for text in api.size_problems(value, shape))
            for number, inner in enumerate(value, start=1):
                yield from _walk(inner, shape.member, f"{path}.{number}")
    elif isinstance(shape, MapShape):
        if isinstance(value, dict):
            yield from ((path, text) for text in api.size_problems(value, shape))
            for key, inner in value.items():
                yield from _walk(key, shape.key, f"{path}.key")
                yield from _walk(inner, shape.value, f"{path}.{key}")
    elif isinstance(value, str | int | float) and shape.type_name not in ("blob", "timestamp"):
        yield from ((path, text) for text in api.value_problems(value, shape))


def _nested(shape: Shape, prefix: str, parameters: Mapping[str, str]) -> Any:
    """The value at a prefix of the flat parameters, None where there is none."""
    if isinstance(shape, StructureShape):
        members = {
            name: _nested(inner, f"{prefix}.{_name(inner, name)}".lstrip("."), parameters)
            for name, inner in shape.members.items()
            if _is_given(f"{prefix}.{_name(inner, name)}".lstrip("."), parameters)
        }
        return members or None
    if isinstance(shape, ListShape):
        item = shape.member.serialization.get("name")
        if shape.serialization.get("flattened"):
            places = prefix.rpartition(".")[0] + f".{item}" if item else prefix
        else:
            places = f"{prefix}.{item or 'member'}"
        numbers = _numbers(places.lstrip("."), parameters)
        return [_nested(shape.member, f"{places}.{n}".lstrip("."), parameters) for n in numbers]
    if isinstance(shape, MapShape):
        return None  # none of the operations that are used here has one
    return parameters.get(prefix)


def _name(shape: Shape, name: str) -> str:
    return str(shape.serialization.get("name") or name)


def _is_given(prefix: str, parameters: Mapping[str, str]) -> bool:
    return any(key == prefix or key.startswith(f"{prefix}.") for key in parameters)


def _numbers(prefix: str, parameters: Mapping[str, str]) -> list[int]:
    places = (re.match(rf"{re.escape(prefix)}\.(\d+)(\.|$)", key) for key in parameters)
    return sorted({int(place.group(1)) for place in places if place})
