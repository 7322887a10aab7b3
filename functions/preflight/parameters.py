"""The parameters as CloudFormation passes them to the custom resource."""

import re
from collections.abc import Mapping
from typing import Any


class MissingPropertyError(Exception):
    """The template does not pass a parameter that is checked."""


class Parameters:
    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    def text(self, name: str) -> str:
        try:
            return str(self._values[name]).strip()
        except KeyError:
            raise MissingPropertyError(
                f"The template does not pass {name} to the preflight"
            ) from None

    def optional_text(self, name: str) -> str:
        """Empty when the parameter is not passed: older templates passed others."""
        return str(self._values.get(name, "")).strip()

    def number(self, name: str) -> int | None:
        """None for anything but a whole number."""
        text = self.text(name)
        return int(text) if re.fullmatch(r"\d{1,9}", text) else None

    def items(self, name: str) -> list[str]:
        """A list, or a comma-separated string: CloudFormation passes either."""
        value = self._values.get(name)
        parts = value if isinstance(value, list) else self.text(name).split(",")
        return [part.strip() for part in parts if part.strip()]
