"""Runs a container's health check, by Docker's rules."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from embedded_aws.busy import stretched

# Until the first success an eager check also runs this often, so that a task that is up need not
# wait for a whole interval. The failure of such an extra run is not counted.
_EAGER_INTERVAL_SECONDS = 2.0


@dataclass(frozen=True)
class HealthCheck:
    """`healthCheck` of a container definition, times in seconds."""

    argv: tuple[str, ...]
    interval: float = 30
    timeout: float = 5
    retries: int = 3
    start_period: float = 0

    @classmethod
    def from_definition(cls, definition: Mapping[str, Any] | None) -> "HealthCheck | None":
        command: Sequence[str] = (definition or {}).get("command") or ()
        if not definition or not command or command[0] == "NONE":
            return None
        if command[0] == "CMD-SHELL":
            argv = ("/bin/sh", "-c", *command[1:])
        else:
            argv = tuple(command[1:] if command[0] == "CMD" else command)
        return cls(
            argv,
            float(definition.get("interval") or cls.interval),
            float(definition.get("timeout") or cls.timeout),
            int(definition.get("retries") or cls.retries),
            float(definition.get("startPeriod") or cls.start_period),
        )


class HealthMonitor(threading.Thread):
    """Checks until the container has ended and reports every change of the status."""

    def __init__(
        self,
        check: HealthCheck,
        *,
        succeeds: Callable[[Sequence[str], float], bool],
        eagerly: bool,
        is_running: Callable[[], bool],
        on_change: Callable[[str], None],
    ) -> None:
        super().__init__(name="embedded-aws-health", daemon=True)
        self._check = check
        self._check_succeeds = succeeds
        self._eagerly = eagerly
        self._is_running = is_running
        self._on_change = on_change
        self._status = "UNKNOWN"

    def run(self) -> None:
        check = self._check
        failures = 0
        started = last_regular = time.monotonic()
        while self._is_running():
            eager = self._eagerly and self._status == "UNKNOWN"
            time.sleep(min(_EAGER_INTERVAL_SECONDS, check.interval) if eager else check.interval)
            if not self._is_running():
                return
            succeeded = self._check_succeeds(check.argv, stretched(check.timeout))
            now = time.monotonic()
            regular = now - last_regular >= check.interval
            last_regular = now if regular else last_regular
            if succeeded:
                failures = 0
                self._set("HEALTHY")
            elif regular and (
                now - started > stretched(check.start_period) or self._status == "HEALTHY"
            ):
                failures += 1
                if failures >= check.retries:
                    self._set("UNHEALTHY")

    def _set(self, status: str) -> None:
        if status != self._status:
            self._status = status
            self._on_change(status)
