"""Reasons to refuse a release, or warnings about one that is published."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

_MAX_NAME: Final = 100


@dataclass(frozen=True)
class Problem:
    """A problem with a file, and its line. Without a path the problem is the whole release's."""

    path: str
    reason: str
    line: int | None = None

    def __str__(self) -> str:
        if not self.path:
            return self.reason
        place = self.path if self.line is None else f"{self.path}, line {self.line}"
        return f"{place}: {self.reason}"

    def as_document(self) -> dict[str, Any]:
        return {"path": self.path, "line": self.line, "reason": self.reason}


def shortened(name: str) -> str:
    """A name from a DAG file as a message shows it."""
    return name if len(name) <= _MAX_NAME else f"{name[:_MAX_NAME]}…"


class RefusedError(Exception):
    """The files cannot become a release."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(str(problem) for problem in problems))
        self.problems = tuple(sorted(problems, key=lambda each: (each.path, each.line or 0)))
