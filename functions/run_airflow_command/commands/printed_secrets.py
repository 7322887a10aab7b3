"""Commands that print secrets: their output is a log, and the end of it is stored and returned.

It needs only the standard library, because `airflow_cli` uses it.
"""

from collections.abc import Mapping, Sequence
from typing import Final

_READ_ELSEWHERE: Final = (
    "and what a command prints is kept in its log: read it in Airflow's UI or in Secrets Manager"
)
# First words → why the command is refused, whatever its options are.
_PRINTS: Final[Mapping[tuple[str, ...], str]] = {
    ("config", "get-value"): (
        "may print a key or a password, and what a command prints is kept in its log: "
        'use ["config", "list", "--section", "…", "--show-values", "--hide-sensitive"]'
    ),
    ("connections", "export"): f"prints passwords, {_READ_ELSEWHERE}",
    ("connections", "get"): f"prints the connection's password, {_READ_ELSEWHERE}",
    ("variables", "export"): f"prints the values of all variables, {_READ_ELSEWHERE}",
    ("variables", "get"): f"prints the variable's value, {_READ_ELSEWHERE}",
}
# These print values with the first option, unless they have the second.
_PRINTS_WITH: Final = {("config", "list"), ("connections", "list"), ("variables", "list")}
_SHOW: Final = "--show-values"
_HIDE: Final = "--hide-sensitive"

# They run users' code, print what they were given, or describe the configuration. Their log stays
# in its log group, and no copy of its end is made.
_MAY_PRINT: Final = frozenset(
    {
        ("config", "lint"),
        ("config", "list"),
        ("config", "update"),
        ("connections", "add"),
        ("connections", "import"),
        ("connections", "list"),
        ("connections", "test"),
        ("dags", "test"),
        ("db", "export-archived"),
        ("info",),
        ("plugins",),
        ("tasks", "render"),
        ("tasks", "test"),
        ("users", "create"),
        ("users", "import"),
        ("users", "reset-password"),
        ("variables", "import"),
        ("variables", "list"),
        ("variables", "set"),
    }
)
LOG_NOT_KEPT: Final = "(Not shown, because this command may print secrets: read its log.)"


def problem_of(command: Sequence[str]) -> str | None:
    """Why the command is refused; None when it prints no secret by itself."""
    beginning = tuple(command[:2])
    shown = " ".join(beginning)
    if reason := _PRINTS.get(beginning):
        return f"'{shown}' {reason}"
    options = command[len(beginning) :]
    if beginning in _PRINTS_WITH and _has(options, _SHOW) and _HIDE not in options:
        return f"'{shown} {_SHOW}' prints secrets: add {_HIDE}"
    if command[0] == "info":
        if _has(command[1:], "--file-io"):
            return "'info --file-io' sends a description of Airflow to a public web site"
        if "--anonymize" not in command[1:]:
            return "'info' prints the database's URL with its password: add --anonymize"
    return None


def log_may_be_kept(command: Sequence[str]) -> bool:
    """Whether the end of the command's log may be stored and returned."""
    return not {tuple(command[:1]), tuple(command[:2])} & _MAY_PRINT


def _has(words: Sequence[str], option: str) -> bool:
    """Whether Airflow may read one of the words as this option: it accepts abbreviations."""
    return any(len(word) > 2 and option.startswith(word.partition("=")[0]) for word in words)
