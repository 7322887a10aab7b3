"""Parameters that are JSON objects: read once, with problems that say where and what to change."""

import json
from typing import Any


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
            f"{error.msg}): correct it, or set it to {{}}."
        ) from None
    except RecursionError:
        raise JsonParameterError(f"{parameter} is nested too deeply: set it to {{}}.") from None
    if not isinstance(value, dict):
        raise JsonParameterError(
            f"{parameter} is not a JSON object: write {{…}}, or set it to {{}}."
        )
    return value


def is_whole_number(value: Any, least: int, most: int) -> bool:
    """Whether a JSON value is a whole number in a range; true and false are not numbers."""
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
