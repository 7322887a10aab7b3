"""A stack's secrets and services in memory, which record the values that running tasks have."""

from collections.abc import Callable
from contextlib import nullcontext
from datetime import datetime
from typing import Any

from airflow_on_fargate.rotation.context import RotationContext


class InterruptedRunError(Exception):
    """Simulates a task that is stopped before its end."""


class MemorySecret:
    """As in Secrets Manager: the value and the previous one."""

    def __init__(self, value: str) -> None:
        self.versions = [value]

    def value(self) -> str:
        return self.versions[-1]

    def previous(self) -> str:
        return self.versions[-2] if len(self.versions) > 1 else ""

    def put(self, value: str) -> None:
        self.versions.append(value)


class MemoryServices:
    """A restart gives every task the current secrets and calls a hook."""

    def __init__(self, on_restart: Callable[[], None]) -> None:
        self._on_restart = on_restart

    def restart(self) -> None:
        self._on_restart()


class MemoryWorkers:
    def __init__(self) -> None:
        self.waited: list[float] = []

    def wait_until_gone(self, made_before: datetime, seconds: float) -> None:
        self.waited.append(seconds)


def context(
    on_restart: Callable[[], None], slept: list[float] | None = None, **secrets: str
) -> RotationContext:
    """Names of secrets with underscores, as Python requires."""
    found: dict[str, Any] = {
        name.replace("_", "-"): MemorySecret(value) for name, value in secrets.items()
    }
    services: Any = MemoryServices(on_restart)
    workers: Any = MemoryWorkers()
    record = slept.append if slept is not None else lambda _seconds: None
    return RotationContext(
        found, services, workers, nullcontext, say=lambda _text: None, sleep=record
    )
