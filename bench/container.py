"""A process with the CPU and memory of a container, and what it uses of them.

Root gets control groups with the limits that a container of this size has. Other users get a
process without limits; only its CPU seconds and its memory say something then.
"""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from embedded_aws.containers.podman.cgroups import ROOT, Group

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_STOP_SECONDS: Final = 60
_LOOK_SECONDS: Final = 0.2


class Container:
    """One process and its children."""

    def __init__(self, name: str, cpu_units: int, mebibytes: int) -> None:
        self._group: Group | None = Group(f"/bench-{os.getpid()}/{name}")
        self._process: subprocess.Popen[bytes] | None = None
        self._ended_seconds = 0.0
        self.peak_mebibytes = 0.0
        try:
            self._group.create()
            self._group.limit_cpu(cpu_units)
            self._group.limit_memory(mebibytes)
        except OSError:
            self._group = None

    @property
    def is_limited(self) -> bool:
        return self._group is not None

    def start(
        self, command: Sequence[str | Path], environment: dict[str, str], folder: Path, log: Path
    ) -> None:
        """Start the process in the group, so that nothing of it runs outside."""
        procs = [str(path / "cgroup.procs") for path in self._folders()]
        join = 'for file in $GROUPS_TO_JOIN; do echo $$ > "$file"; done; exec "$@"'
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", join, "sh", *command],
                env=environment | {"GROUPS_TO_JOIN": " ".join(procs)},
                cwd=folder,
                stdout=output,
                stderr=output,
            )

    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        if self._process is None:
            return
        self._ended_seconds = self.cpu_seconds()
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            for process in self._processes():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            self._process.wait()
        self._process = None

    def remove(self) -> None:
        self.stop()
        if self._group:
            self._group.remove()

    def cpu_seconds(self) -> float:
        """Of user and kernel, of all processes since the container was made."""
        for tree in ("cpuacct", "cpu,cpuacct"):
            with contextlib.suppress(OSError):
                return int((self._folder(tree) / "cpuacct.usage").read_text()) / 1e9
        with contextlib.suppress(OSError):
            lines = (self._folder("") / "cpu.stat").read_text().splitlines()
            return int(dict(line.split() for line in lines)["usage_usec"]) / 1e6
        ticks = 0
        for process in self._processes():
            with contextlib.suppress(OSError):
                fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
                ticks += sum(int(each) for each in fields[11:15])
        return max(self._ended_seconds, ticks / _TICKS)

    def wait(self, condition: Callable[[], bool], patience_seconds: float) -> float | None:
        """Seconds until the condition held; None if it did not in time.

        Raises:
            RuntimeError: the process has ended.
        """
        started = time.monotonic()
        while not condition():
            if not self.is_running():
                raise RuntimeError("The process ended; its log says why")
            if time.monotonic() - started > patience_seconds:
                return None
            self.look_at_memory()
            time.sleep(_LOOK_SECONDS)
        return time.monotonic() - started

    def sleep(self, seconds: float) -> float:
        """Returns the CPU seconds that were used meanwhile."""
        before, until = self.cpu_seconds(), time.monotonic() + seconds
        while time.monotonic() < until:
            self.look_at_memory()
            time.sleep(min(1.0, max(0.0, until - time.monotonic())))
        return self.cpu_seconds() - before

    def look_at_memory(self) -> None:
        """Note the memory in use; pages that processes share count once."""
        kibibytes = 0
        for process in self._processes():
            with contextlib.suppress(OSError):
                for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
                    if line.startswith("Pss:"):
                        kibibytes += int(line.split()[1])
        self.peak_mebibytes = max(self.peak_mebibytes, kibibytes / 1024)

    def _processes(self) -> Iterator[int]:
        """The process and its descendants."""
        left = [self._process.pid] if self._process else []
        while left:
            process = left.pop()
            yield process
            for children in Path(f"/proc/{process}/task").glob("*/children"):
                with contextlib.suppress(OSError):
                    left.extend(map(int, children.read_text().split()))

    def _folders(self) -> Iterator[Path]:
        for tree in ("", "cpu", "memory", "cpuacct", "cpu,cpuacct"):
            is_there = (ROOT / tree / "cgroup.procs").exists() if tree else self._is_unified
            if self._group and is_there:
                folder = self._folder(tree)
                folder.mkdir(parents=True, exist_ok=True)
                yield folder

    @property
    def _is_unified(self) -> bool:
        return (ROOT / "cgroup.controllers").exists()

    def _folder(self, tree: str) -> Path:
        return ROOT / tree / (self._group.path.lstrip("/") if self._group else "no-group")
