"""Findings, and what is shown of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum


class Level(IntEnum):
    """The number is also the exit code of the command that prints the findings."""

    OK = 0
    WARN = 1
    FAIL = 2


@dataclass(frozen=True)
class Finding:
    level: Level
    what: str
    # What to do about it; empty where there is nothing to do.
    next_step: str = ""
    # The name of the check; the examination sets it.
    check: str = ""


def ok(what: str) -> Finding:
    return Finding(Level.OK, what)


def warn(what: str, next_step: str) -> Finding:
    return Finding(Level.WARN, what, next_step)


def fail(what: str, next_step: str) -> Finding:
    return Finding(Level.FAIL, what, next_step)


def worst(findings: Sequence[Finding]) -> Level:
    return max((finding.level for finding in findings), default=Level.OK)


def table(findings: Sequence[Finding]) -> str:
    """What is wrong comes first, with its next step below it."""
    width = max((len(finding.check) for finding in findings), default=0)
    lines = []
    for finding in sorted(findings, key=lambda each: -each.level):
        lines.append(f"{finding.level.name:<4}  {finding.check:<{width}}  {finding.what}")
        if finding.next_step:
            lines.append(f"{'':<4}  {'':<{width}}  → {finding.next_step}")
    return "\n".join(lines)
