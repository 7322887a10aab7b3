"""Parameters that are JSON objects: read once, with problems that say where and what to change."""

import json
from typing import Any

# Of a value that cannot be read, so many characters on each side of the place are shown.
_SHOWN = 30


class JsonParameterError(Exception):
    """The parameter is not a JSON object; the message is one sentence for the user."""


def read_object(parameter: str, text: str) -> dict[str, Any]:
    """The parameter's value as an object, or JsonParameterError."""

    def no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        for name in names:
            if names.count(name) > 1:
                raise JsonParameterError(f"{parameter} contains {name!r} twice: remove one.")
        return dict(pairs)

    def no_constant(name: str) -> Any:
        raise JsonParameterError(
            f"{parameter} contains {name}, which is not valid JSON: remove it."
        )

    try:
        value = json.loads(text, object_pairs_hook=no_duplicates, parse_constant=no_constant)
    except json.JSONDecodeError as error:
        raise JsonParameterError(
            f"{parameter} is not valid JSON (line {error.lineno}, column {error.colno}: "
            f"{error.msg}). The value that arrived is {_shortened(text, error.pos)!r}: "
            f"{_advice(parameter, text)}"
        ) from None
    except RecursionError:
        raise JsonParameterError(f"{parameter} is nested too deeply: set it to {{}}.") from None
    if not isinstance(value, dict):
        raise JsonParameterError(
            f"{parameter} is not a JSON object: write {{…}}, or set it to {{}}."
        )
    return value


def _shortened(text: str, position: int) -> str:
    """The text around a position, with an ellipsis where it continues."""
    start, end = max(0, position - _SHOWN), position + _SHOWN
    return f"{'…' * (start > 0)}{text[start:end]}{'…' * (end < len(text))}"


def _advice(parameter: str, text: str) -> str:
    """How to correct a value that is not valid JSON.

    `sam deploy --parameter-overrides` ends an unquoted value at its first double quote, so valid
    JSON that was quoted for the shell only arrives as "{". CloudFormation refuses that by the
    parameter's pattern; what arrives here has lost its quotes in the shell.
    """
    cut_off = not text.rstrip().endswith("}")
    if text.lstrip().startswith("{") and ('"' not in text or cut_off):
        return (
            "its double quotes seem to be lost. After sam deploy --parameter-overrides, JSON needs "
            f"quotes for SAM inside those for the shell: write {parameter}=\\''{{…}}'\\' with your "
            "JSON in place of {…}."
        )
    return "correct it, or set it to {}."


def is_whole_number(value: Any, least: int, most: int) -> bool:
    """Whether a JSON value is a whole number in a range; true and false are not numbers."""
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
