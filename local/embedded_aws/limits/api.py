"""Limits that the models of botocore contain: lengths, ranges, patterns and words of a shape."""

import re
from collections.abc import Iterator, Sized
from functools import cache
from typing import Any

import botocore.session
from botocore.model import ListShape, MapShape, Shape, StructureShape

from embedded_aws.limits.rules import text_of

_WHOLE = ("integer", "long")
_FRACTION = ("float", "double")
_FAILED = "failed to satisfy constraint: Member must"


class NoSuchShapeError(LookupError):
    """The table names an operation or a member that the installed botocore does not have."""


@cache
def shape_at(reference: str) -> Shape:
    """The shape of `service:Operation:member.inner[]`; without members, the whole request."""
    service, operation, *path = reference.split(":")
    model = botocore.session.get_session().get_service_model(service)
    if operation not in model.operation_names:
        raise NoSuchShapeError(f"{reference}: {service} has no operation {operation}")
    shape: Shape = model.operation_model(operation).input_shape
    for name in re.findall(r"[^.\[\]]+|\[\]", path[0]) if path else []:
        inner = _list_item(shape) if name == "[]" else member(shape, name)
        if inner is None:
            raise NoSuchShapeError(f"{reference}: {shape.name} has no {name}")
        shape = inner
    return shape


def member(shape: Shape | None, name: str) -> Shape | None:
    """The member of a structure by its name as CloudFormation writes it, or a map's value."""
    if isinstance(shape, StructureShape):
        names = {each.lower(): each for each in shape.members}
        found = names.get(name.lower())
        inner: Shape | None = shape.members[found] if found else None
        return inner
    if isinstance(shape, MapShape):
        value: Shape = shape.value
        return value
    return None


def item(shape: Shape | None) -> Shape | None:
    """The shape of a list's items. CloudFront wraps its lists in a structure with a count."""
    if isinstance(shape, StructureShape) and "Items" in shape.members:
        shape = shape.members["Items"]
    return _list_item(shape)


def _list_item(shape: Shape | None) -> Shape | None:
    inner: Shape | None = shape.member if isinstance(shape, ListShape) else None
    return inner


def is_limited(shape: Shape) -> bool:
    """Whether the model says anything about the values of a scalar."""
    known = shape.metadata.keys() & {"min", "max", "pattern", "enum"}
    return bool(known) or shape.type_name != "string"


def size_problems(value: Sized, shape: Shape | None) -> Iterator[str]:
    """Problems of a list's or a map's number of entries.

    Nothing is said of an empty one: CloudFormation leaves it out of the request.
    """
    if isinstance(shape, ListShape | MapShape) and len(value):
        yield from _range_problems(f"{len(value)} entries", len(value), shape, "length")


def value_problems(value: Any, shape: Shape) -> Iterator[str]:
    """Problems of a scalar, in the words in which most services state them."""
    text, kind = text_of(value), shape.type_name
    if kind in (*_WHOLE, *_FRACTION):
        try:
            number = float(text)
        except ValueError:
            yield f"is {text!r}: {_FAILED} be a number"
            return
        yield from _range_problems(text, number, shape, "value")
        return
    if kind == "boolean":
        if text not in ("true", "false"):
            yield f"is {text!r}: {_FAILED} be a boolean"
        return
    yield from _range_problems(f"{len(text)} characters", len(text), shape, "length")
    shown = "a secret" if shape.metadata.get("sensitive") else repr(text)
    pattern, words = shape.metadata.get("pattern"), shape.metadata.get("enum")
    if pattern and not _matches(pattern, text):
        yield f"is {shown}: {_FAILED} satisfy regular expression pattern: {pattern}"
    if words and text not in words:
        yield f"is {shown}: {_FAILED} satisfy enum value set: {sorted(words)}"


# Classes of Java's regular expressions that Python does not have.
_CLASSES = {r"\p{L}": r"\w", r"\p{N}": r"\d", r"\p{Z}": r"\s"}


@cache
def _compiled(pattern: str) -> re.Pattern[str] | None:
    for java, python in _CLASSES.items():
        pattern = pattern.replace(java, python)
    try:
        return re.compile(pattern, re.DOTALL)
    except re.error:
        return None  # has other constructs of Java's


def _matches(pattern: str, text: str) -> bool:
    compiled = _compiled(pattern)
    return compiled is None or compiled.fullmatch(text) is not None


def _range_problems(what: str, measure: float, shape: Shape, name: str) -> Iterator[str]:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if least is not None and measure < least:
        yield f"is {what}: {_FAILED} have {name} greater than or equal to {least}"
    if most is not None and measure > most:
        yield f"is {what}: {_FAILED} have {name} less than or equal to {most}"
