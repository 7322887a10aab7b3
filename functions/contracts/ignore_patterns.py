"""Patterns of .airflowignore files, matched in a time that grows with the length of the path.

pathspec, with which Airflow and the publisher read the patterns, translates each wildcard to a part
of a regular expression that tries every length. Several of them multiply: `*a*a*a*b` takes minutes
to find that a long name does not match. Here every wildcard but the last of its kind takes the
first place that fits and never tries another one, as in Python's `fnmatch.translate`. That changes
no result, because the wildcard after it takes any text that is left out. One exception: a class
such as `[!a]` matches a slash in pathspec, which git does not allow, and rarely does so here. The
image patches Airflow to match in the same way, so both sides agree.
"""

import re
from typing import Final

# More patterns than that in one file would take the dag-processor minutes for each scan.
MAX_PATTERNS: Final = 1000

# What pathspec 1.1 makes of `*`, of a leading `**/` and of an inner `/**`. A pattern's text cannot
# contain them, because its slashes separate names.
_STAR: Final = "[^/]*"
_LEADING: Final = "(?:.+/)?"
_INNER: Final = "(?:/.+)?"
_ENDS: Final = ("(?:(?P<ps_d>/)|$)", "(?P<ps_d>/)", "/")
_SLASH: Final = re.compile(r"(?<!\[\^)/")


def linear(expression: str) -> str:
    """A regular expression that matches what pathspec's does, and never multiplies attempts."""
    if not expression.startswith("^"):
        # One of the constants for patterns such as `*`.
        return expression
    end = next(end for end in _ENDS if expression.endswith(end))
    body = expression[1 : len(expression) - len(end)]
    anywhere = body.startswith(_LEADING)
    first, *others = [_chunk(each) for each in body.removeprefix(_LEADING).split(_INNER)]
    if not others:
        return f"^{_LEADING if anywhere else ''}{first}{end}"
    parts = [f"(?>(?:.+?/)??{first}(?=/))" if anywhere else first]
    parts += [f"(?>(?:/.+?)??{each}(?=/))" for each in others[:-1]]
    return f"^{''.join(parts)}{_INNER}{others[-1]}{end}"


def _chunk(text: str) -> str:
    """The names between two `**`: whether they match at one place is decided once."""
    return "/".join(_name(each) for each in _SLASH.split(text))


def _name(text: str) -> str:
    first, *others = text.split(_STAR)
    if not others:
        return text
    inner = "".join(f"(?>{_STAR}?{each})" for each in others[:-1] if each)
    return f"(?>{first}{inner}{_STAR}{others[-1]}(?=/|$))"
