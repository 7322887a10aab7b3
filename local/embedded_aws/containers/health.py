"""Runs a container's health check as a separate process, by Docker's rules."""

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from embedded_aws.busy import stretched

# Until the first success the check also runs this often, so that a task that is up need not wait
# for a whole interval. The failure of such an extra run is not counted.
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
        env: Mapping[str, str],
        cwd: str,
        is_running: Callable[[], bool],
        on_change: Callable[[str], None],
    ) -> None:
        super().__init__(name="embedded-aws-health", daemon=True)
        self._check = check
        self._env = env
        self._cwd = cwd
        self._is_running = is_running
        self._on_change = on_change
        self._status = "UNKNOWN"

    def run(self) -> None:
        check = self._check
        failures = 0
        started = last_regular = time.monotonic()
        while self._is_running():
            eager = self._status == "UNKNOWN"
            time.sleep(min(_EAGER_INTERVAL_SECONDS, check.interval) if eager else check.interval)
            if not self._is_running():
                return
            succeeded = self._succeeds()
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

    def _succeeds(self) -> bool:
        try:
            process = subprocess.Popen(
                self._check.argv,
                env=dict(self._env),
                cwd=self._cwd,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError:
            return False
        try:
            return process.wait(stretched(self._check.timeout)) == 0
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return False
