"""A request to be decided on, and the permissions that it needs."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ministack.core.responses import get_account_id


@dataclass(frozen=True)
class Permission:
    """One permission that a request needs."""

    action: str
    resource: str
    context: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ApiRequest:
    """A request as ministack has parsed it."""

    action: str  # such as ecs:RunTask
    method: str
    path: str
    headers: Mapping[str, str]
    raw_body: bytes
    parameters: Mapping[str, Any]
    region: str
    # What ministack takes for the resource.
    stock_resource: str

    @property
    def operation(self) -> str:
        return self.action.partition(":")[2]

    @property
    def account(self) -> str:
        return str(get_account_id())

    @cached_property
    def body(self) -> dict[str, Any]:
        """The JSON body; empty if there is none."""
        try:
            found = json.loads(self.raw_body or b"{}")
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    def parameter(self, name: str) -> str:
        """A parameter of the query string or of a form."""
        value = self.parameters.get(name) or ""
        return str(value[0] if isinstance(value, list) else value)

    def arn(self, service: str, resource: str) -> str:
        return f"arn:aws:{service}:{self.region}:{self.account}:{resource}"


# The permissions of a request; None when ministack's own are right.
Needs = Callable[[ApiRequest], list[Permission] | None]
