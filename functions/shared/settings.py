"""Read environment variables. Each function has a dataclass of its settings, read once per call.

A missing or malformed variable raises an error that names it, instead of a KeyError elsewhere.
"""

from collections.abc import Mapping
from typing import Literal, cast

PublicIp = Literal["ENABLED", "DISABLED"]


class SettingError(Exception):
    """An environment variable that the template sets is missing or malformed."""


class Environment:
    """The environment variables of a function."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values

    def text(self, name: str) -> str:
        value = self._values.get(name, "").strip()
        if not value:
            raise SettingError(f"The environment variable {name} is missing or empty")
        return value

    def optional_text(self, name: str) -> str:
        """Empty when the variable is missing or empty."""
        return self._values.get(name, "").strip()

    def whole_number(self, name: str) -> int:
        value = self.text(name)
        if not value.isdecimal():
            raise SettingError(f"The environment variable {name} must be a whole number: {value!r}")
        return int(value)

    def items(self, name: str) -> tuple[str, ...]:
        """A comma-separated list."""
        items = tuple(item.strip() for item in self.text(name).split(",") if item.strip())
        if not items:
            raise SettingError(f"The environment variable {name} is an empty list")
        return items

    def public_ip(self, name: str) -> PublicIp:
        value = self.text(name)
        if value not in ("ENABLED", "DISABLED"):
            raise SettingError(
                f"The environment variable {name} must be ENABLED or DISABLED: {value!r}"
            )
        return cast(PublicIp, value)
