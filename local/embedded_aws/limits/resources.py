"""Checks the properties of a resource against the table."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.model import MapShape, Shape

from embedded_aws.limits import api
from embedded_aws.limits.rules import Rule, Text

Properties = Mapping[str, Any]
Check = Callable[[Properties], Iterator[str]]

TAG_KEY = Text("tags of any service", r"(?!aws:)[\w .:/=+\-@]+", most=128)
TAG_VALUE = Text("tags of any service", r"[\w .:/=+\-@]*", least=0, most=256)
_TAGS = {"Tags[].Key": TAG_KEY, "Tags[].Value": TAG_VALUE}


@dataclass(frozen=True)
class Resource:
    """The limits of one resource type.

    `api` is the operation whose request has the properties under the same names. `members` names
    the place of properties that are called otherwise, or belong to another operation. `rules` holds
    what botocore does not know, by the property's path: `Rules[].Name`; `Variables{}` stands for
    the keys of a map and `Variables.*` for its values. `checks` look at several properties at once.
    """

    api: str = ""
    members: Mapping[str, str] = field(default_factory=dict)
    rules: Mapping[str, Rule] = field(default_factory=dict)
    checks: tuple[Check, ...] = ()


@dataclass(frozen=True)
class Finding:
    """A value that the API refuses; or, if `unlisted`, a property without an entry in the table."""

    path: str
    text: str
    unlisted: bool = False

    def __str__(self) -> str:
        return f"{self.path} {self.text}"


class UnknownValue(str):
    """A value that only AWS gives; nothing is known of its characters and its length."""

    __slots__ = ()


def findings(resource: Resource, properties: Properties) -> Iterator[Finding]:
    shape = api.shape_at(resource.api) if resource.api else None
    for name, value in properties.items():
        yield from _walk(resource, value, name, _shape(resource, name, api.member(shape, name)))
    for check in resource.checks:
        for problem in check(properties):
            yield Finding("", problem)


def _walk(resource: Resource, value: Any, path: str, shape: Shape | None) -> Iterator[Finding]:
    rule = resource.rules.get(path) or _TAGS.get(path)
    if isinstance(value, UnknownValue):
        return
    if rule:
        yield from (Finding(path, problem) for problem in rule.problems(value))
    elif isinstance(value, Mapping):
        yield from (Finding(path, problem) for problem in api.size_problems(value, shape))
        for key, each in value.items():
            yield from _key(resource, key, path, shape)
            inner = _inner_path(resource, path, key)
            yield from _walk(resource, each, inner, _shape(resource, inner, api.member(shape, key)))
    elif isinstance(value, list | tuple):
        yield from (Finding(path, problem) for problem in api.size_problems(value, shape))
        inner = f"{path}[]"
        for each in value:
            yield from _walk(resource, each, inner, _shape(resource, inner, api.item(shape)))
    elif shape is not None and api.is_limited(shape):
        yield from (Finding(path, problem) for problem in api.value_problems(value, shape))
    elif isinstance(value, str):
        yield Finding(path, "has no entry in the table of limits", unlisted=True)


def _key(resource: Resource, key: str, path: str, shape: Shape | None) -> Iterator[Finding]:
    rule = resource.rules.get(f"{path}{{}}")
    if rule:
        yield from (Finding(f"{path}.{key}", f"(the name) {each}") for each in rule.problems(key))
    elif isinstance(shape, MapShape) and api.is_limited(shape.key):
        for each in api.value_problems(key, shape.key):
            yield Finding(f"{path}.{key}", f"(the name) {each}")


def _inner_path(resource: Resource, path: str, key: str) -> str:
    anything = f"{path}.*"
    return anything if anything in resource.rules else f"{path}.{key}"


def _shape(resource: Resource, path: str, otherwise: Shape | None) -> Shape | None:
    reference = resource.members.get(path)
    return api.shape_at(reference) if reference else otherwise
