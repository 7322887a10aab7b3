"""Contract: on a busy machine no health check fails only because it gets no time."""

import os
import subprocess
import threading
from collections.abc import Sequence

import pytest
from waiting import PATIENCE_SECONDS

from embedded_aws.busy import stretched
from embedded_aws.containers.health import HealthCheck, HealthMonitor

# Longer than the time limit of a check on a calm machine.
SLOW_CHECK = ("/bin/sh", "-c", "sleep 0.6")


def succeeds(argv: Sequence[str], timeout: float) -> bool:
    try:
        return subprocess.run(argv, timeout=timeout, check=False).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def first_status(monkeypatch: pytest.MonkeyPatch, load: float) -> str:
    """What a slow check says first when the machine has this load on each core."""
    monkeypatch.setattr(os, "getloadavg", lambda: (load * (os.cpu_count() or 1), 0.0, 0.0))
    found: list[str] = []
    known = threading.Event()

    def note(status: str) -> None:
        found.append(status)
        known.set()

    monitor = HealthMonitor(
        HealthCheck(SLOW_CHECK, interval=0.1, timeout=0.3, retries=2),
        succeeds=succeeds,
        eagerly=False,
        is_running=lambda: not known.is_set(),
        on_change=note,
    )
    monitor.start()
    assert known.wait(PATIENCE_SECONDS)
    monitor.join()
    return found[0]


def test_slow_health_check_is_a_failure_on_a_calm_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    assert first_status(monkeypatch, load=0.5) == "UNHEALTHY"


def test_slow_health_check_may_take_longer_on_a_busy_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert first_status(monkeypatch, load=1000) == "HEALTHY"


def test_limits_are_those_of_aws_on_a_calm_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getloadavg", lambda: (0.1, 0.1, 0.1))

    assert stretched(10) == 10
