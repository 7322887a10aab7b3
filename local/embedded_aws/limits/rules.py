"""Limits that are stated here, because the models of botocore do not contain them.

Each names its source: a page of AWS's documentation, or the API whose reference states it.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol


class Rule(Protocol):
    def problems(self, value: Any) -> Iterator[str]:
        """What the API would refuse, one sentence for each problem."""


@dataclass(frozen=True)
class Text:
    """A string of some characters and some length."""

    source: str
    pattern: str = ""
    least: int = 1
    most: int | None = None
    reserved: tuple[str, ...] = ()
    is_secret: bool = False

    def problems(self, value: Any) -> Iterator[str]:
        text = text_of(value)
        shown = "a secret" if self.is_secret else repr(text)
        if not self.least <= len(text) <= (len(text) if self.most is None else self.most):
            yield (
                f"has {len(text)} characters, allowed are {self.least} to {self.most or 'any'} "
                f"({self.source})"
            )
        if self.pattern and not re.fullmatch(self.pattern, text, re.DOTALL):
            yield f"is {shown}, which does not match {self.pattern} ({self.source})"
        if text.lower() in self.reserved:
            yield f"is {shown}, which is reserved ({self.source})"


@dataclass(frozen=True)
class Number:
    """A whole number; CloudFormation accepts it as a string as well."""

    source: str
    least: int = 0
    most: int | None = None
    allowed: tuple[int, ...] = ()

    def problems(self, value: Any) -> Iterator[str]:
        try:
            number = int(text_of(value))
        except ValueError:
            yield f"is {value!r}, which is not a whole number ({self.source})"
            return
        if number < self.least or (self.most is not None and number > self.most):
            most = "any" if self.most is None else self.most
            yield f"is {number}, allowed are {self.least} to {most} ({self.source})"
        if self.allowed and number not in self.allowed:
            yield f"is {number}, not one of {list(self.allowed)} ({self.source})"


@dataclass(frozen=True)
class Choice:
    """One of some words."""

    source: str
    words: tuple[str, ...]

    def problems(self, value: Any) -> Iterator[str]:
        if text_of(value) not in self.words:
            yield f"is {value!r}, not one of {list(self.words)} ({self.source})"


@dataclass(frozen=True)
class Unlimited:
    """A value that the API accepts whatever it contains; `why` says how that is known."""

    why: str

    def problems(self, value: Any) -> Iterator[str]:
        yield from ()


@dataclass(frozen=True)
class PolicyDocument:
    """A policy as IAM and the resource policies of other services take it.

    The size does not count white space. Statement ids are unique within a policy.
    """

    source: str
    most: int
    sid: str = "[A-Za-z0-9]*"

    def problems(self, value: Any) -> Iterator[str]:
        if not isinstance(value, Mapping):
            yield f"is not a policy ({self.source})"
            return
        size = policy_size(value)
        if size > self.most:
            yield f"has {size} characters, allowed are {self.most} ({self.source})"
        # Without one it is the older.
        if value.get("Version", "2008-10-17") not in ("2012-10-17", "2008-10-17"):
            yield f"has the version {value.get('Version')!r} ({self.source})"
        statements = value.get("Statement", [])
        statements = [statements] if isinstance(statements, Mapping) else statements
        sids = [one["Sid"] for one in statements if "Sid" in one]
        for sid in sorted({sid for sid in sids if sids.count(sid) > 1}):
            yield f"has the statement id {sid} twice ({self.source})"
        for statement in statements:
            yield from self._statement_problems(statement)

    def _statement_problems(self, statement: Mapping[str, Any]) -> Iterator[str]:
        if not re.fullmatch(self.sid, text_of(statement.get("Sid", ""))):
            yield f"has the statement id {statement['Sid']!r}, not {self.sid} ({self.source})"
        if statement.get("Effect") not in ("Allow", "Deny"):
            yield f"has the effect {statement.get('Effect')!r} ({self.source})"
        actions = statement.get("Action", statement.get("NotAction"))
        for action in actions if isinstance(actions, list) else [actions]:
            if not re.fullmatch(r"\*|[a-zA-Z0-9-]+:[a-zA-Z0-9*?]+", text_of(action)):
                yield f"has the action {action!r} ({self.source})"


def policy_size(document: Any) -> int:
    return len(re.sub(r"\s", "", json.dumps(document, separators=(",", ":"))))


def text_of(value: Any) -> str:
    """A scalar as CloudFormation passes it on."""
    return str(value).lower() if isinstance(value, bool) else str(value)
