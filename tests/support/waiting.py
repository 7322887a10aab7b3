"""Waits for events, with limits that a slow and busy machine meets.

A limit is not what a test asserts: it only ends a test whose event never comes. So it is the same
long one everywhere. Where the time itself is asserted, `slowness` says how much longer this
machine needs at the moment than a calm one.
"""

import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

# An idle machine needs a hundredth of it.
PATIENCE_SECONDS = 300.0
# One start of an interpreter that imports a little, on two cores of 2024 without other work.
_CALM_START_SECONDS = 0.1


def eventually(
    condition: Callable[[], Any], timeout: float = PATIENCE_SECONDS, every: float = 0.1
) -> Any:
    """The first true value of a condition that depends on another process or thread."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"not true within {timeout:.0f} seconds"
        time.sleep(every)


def slowness() -> float:
    """How many times longer than on a calm machine a program takes to start now; 1 at least."""
    started = time.monotonic()
    for _ in range(3):
        subprocess.run([sys.executable, "-c", "import json, logging"], check=True)
    return max(1.0, (time.monotonic() - started) / 3 / _CALM_START_SECONDS)
