"""`make up` in a state folder of its own: what it prints, and when."""

import os
import re
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bench.first_run.ports import free_ports
from commands.workspace import PORTS, ROOT

_FIRST_SUCCESS: Final = "First success of a DAG run"
# A line of the summary: title, seconds, when it ended.
_STEP: Final = re.compile(r"  (\S.*?) +(\d+\.\d) s +after +\d+\.\d s")


@dataclass
class Up:
    """Seconds from the start of the command."""

    first_success: float
    whole: float
    # The steps by their titles.
    steps: dict[str, float] = field(default_factory=dict)


def measure(folder: Path) -> Up:
    """Run it to its end, and end what it started.

    Raises:
        RuntimeError: it failed; with its output.
    """
    variables = [variable for _, variable, _ in PORTS]
    ports = dict(zip(variables, map(str, free_ports(len(variables))), strict=True))
    environment = {**os.environ, **ports, "LOCAL_STATE_DIR": str(folder)}
    began = time.monotonic()
    process = subprocess.Popen(
        ["make", "-s", "up"], cwd=ROOT, env=environment, text=True, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert process.stdout is not None
    lines: list[str] = []
    first_success = 0.0
    try:
        for line in process.stdout:
            lines.append(line.rstrip("\n"))
            if _FIRST_SUCCESS in line and not first_success:
                first_success = time.monotonic() - began
        if process.wait() or not first_success:
            raise RuntimeError("\n".join(["make up failed:", *lines]))
        whole = time.monotonic() - began
    finally:
        subprocess.run(
            ["make", "-s", "down"], cwd=ROOT, env=environment, check=True, capture_output=True
        )
    return Up(first_success, whole, steps_of(lines))


def steps_of(lines: list[str]) -> dict[str, float]:
    """The seconds of each step, by the summary that `make up` prints."""
    found = (_STEP.fullmatch(line) for line in lines)
    return {match[1]: float(match[2]) for match in found if match}
