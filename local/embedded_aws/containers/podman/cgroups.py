"""Control groups: the CPU and memory of a task, and within them those of each of its containers.

podman 4 limits the containers of a pod one by one only, and does not say reliably that the kernel
has killed one for its memory. So both groups are made here, and podman puts the container into the
inner one (`--cgroup-parent`). Both versions of control groups are supported: in version 1 each
controller has a tree of its own, in version 2 there is one. Only root can make them.
"""

import contextlib
import os
import time
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
_PERIOD_MICROSECONDS = 100_000
_UNITS_OF_A_PROCESSOR = 1024
_MEBIBYTE = 2**20
_REMOVAL_SECONDS = 5


class Group:
    """A group at a path like `/embedded-aws-4566/<task>/<container>`."""

    def __init__(self, path: str, root: Path = ROOT) -> None:
        self.path = path
        self._root = root
        self._is_unified = (root / "cgroup.controllers").exists()
        self._exceeded: int | None = None

    def create(self) -> None:
        """Make the group and those above it.

        Raises:
            OSError: this user may not.
        """
        for controller in ("cpu", "memory"):
            self._folder(controller).mkdir(parents=True, exist_ok=True)
        if self._is_unified:
            folder = self._folder("memory")
            above = [p for p in folder.parents if p.is_relative_to(self._root)]
            for ancestor in (*reversed(above), folder):
                (ancestor / "cgroup.subtree_control").write_text("+cpu +memory")

    def limit_cpu(self, units: int) -> None:
        """Allow this many CPU units at most, idle processors or not."""
        quota = units * _PERIOD_MICROSECONDS // _UNITS_OF_A_PROCESSOR
        folder = self._folder("cpu")
        if self._is_unified:
            (folder / "cpu.max").write_text(f"{quota} {_PERIOD_MICROSECONDS}")
        else:
            (folder / "cpu.cfs_period_us").write_text(str(_PERIOD_MICROSECONDS))
            (folder / "cpu.cfs_quota_us").write_text(str(quota))

    def share_cpu(self, units: int) -> None:
        """Weigh the group against its siblings when all of them are busy."""
        folder = self._folder("cpu")
        if self._is_unified:
            # The kernel's own conversion: 2 to 262,144 shares are weights from 1 to 10,000.
            (folder / "cpu.weight").write_text(str(1 + (max(units, 2) - 2) * 9999 // 262142))
        else:
            (folder / "cpu.shares").write_text(str(max(units, 2)))

    def limit_memory(self, mebibytes: int) -> None:
        """Allow this much memory; there is no swap space, as on Fargate."""
        limit = str(mebibytes * _MEBIBYTE)
        folder = self._folder("memory")
        if self._is_unified:
            (folder / "memory.max").write_text(limit)
            _write_if_there(folder / "memory.swap.max", "0")
        else:
            (folder / "memory.limit_in_bytes").write_text(limit)
            _write_if_there(folder / "memory.memsw.limit_in_bytes", limit)

    def reserve_memory(self, mebibytes: int) -> None:
        """Take memory from others first, as long as the group has no more than this."""
        name = "memory.low" if self._is_unified else "memory.soft_limit_in_bytes"
        (self._folder("memory") / name).write_text(str(mebibytes * _MEBIBYTE))

    def watch_memory(self) -> None:
        """Have the kernel count what it kills in the group for lack of memory.

        Version 2 always counts. Version 1 does so only in podman's own group, which ends with the
        container; but it signals to a descriptor that a limit of this group or of one above it
        was exceeded.
        """
        if self._is_unified or self._exceeded is not None:
            return
        self._exceeded = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        folder = self._folder("memory")
        with (folder / "memory.oom_control").open("rb") as control:
            registration = f"{self._exceeded} {control.fileno()}"
            (folder / "cgroup.event_control").write_text(registration)

    def ran_out_of_memory(self) -> bool:
        """Whether something in the group was killed for lack of memory."""
        if self._is_unified:
            lines = _read(self._folder("memory") / "memory.events").splitlines()
            events = dict(line.split() for line in lines)
            return int(events.get("oom_kill", 0)) > 0
        if self._exceeded is None:
            return False
        try:
            return os.eventfd_read(self._exceeded) > 0
        except BlockingIOError:
            return False

    def forget(self) -> None:
        """Close what `watch_memory` has opened."""
        if self._exceeded is not None:
            os.close(self._exceeded)
            self._exceeded = None

    def remove(self) -> None:
        """Remove the group with those in it; containers that end just now get a moment for it."""
        deadline = time.monotonic() + _REMOVAL_SECONDS
        trees = [self._root] if self._is_unified else list(self._root.iterdir())
        for folder in (tree / self.path.lstrip("/") for tree in trees):
            while folder.exists():
                for inner, _, _ in os.walk(folder, topdown=False):
                    with contextlib.suppress(OSError):
                        os.rmdir(inner)
                if time.monotonic() > deadline:
                    break
                if folder.exists():
                    time.sleep(0.05)
            with contextlib.suppress(OSError):
                folder.parent.rmdir()  # fails while another group is in it

    def _folder(self, controller: str) -> Path:
        tree = self._root if self._is_unified else self._root / controller
        return tree / self.path.lstrip("/")


def _write_if_there(file: Path, text: str) -> None:
    """Write a setting that kernels without swap accounting do not have."""
    if file.exists():
        file.write_text(text)


def _read(file: Path) -> str:
    try:
        return file.read_text()
    except OSError:
        return ""
