"""The control group of a task: the CPU and memory of all its containers together.

podman 4 limits a pod's containers one by one only, so the group is made here and podman puts the
task's containers into it (`--cgroup-parent`). Both versions of control groups are supported: in
version 1 each controller has a tree of its own, in version 2 there is one.
"""

import contextlib
import os
import time
from pathlib import Path

from embedded_aws.containers.interface import Limits

_ROOT = Path("/sys/fs/cgroup")
_PERIOD_MICROSECONDS = 100_000
_UNITS_OF_A_PROCESSOR = 1024
_MEBIBYTE = 2**20
_REMOVAL_SECONDS = 5


class TaskGroup:
    """One task's group, below the group of its embedded AWS."""

    def __init__(self, parent: str, task_id: str, root: Path = _ROOT) -> None:
        self.path = f"/{parent}/{task_id}"
        self._root = root
        self._is_unified = (root / "cgroup.controllers").exists()

    def create(self, limits: Limits) -> None:
        """Make the group with a task's limits.

        Raises:
            OSError: control groups cannot be written, which only root can do.
        """
        if self._is_unified:
            self._delegate()
        self._folder("memory").mkdir(parents=True, exist_ok=True)
        self._folder("cpu").mkdir(parents=True, exist_ok=True)
        if limits.task_memory is not None:
            self._limit_memory(limits.task_memory * _MEBIBYTE)
        if limits.task_cpu is not None:
            quota = limits.task_cpu * _PERIOD_MICROSECONDS // _UNITS_OF_A_PROCESSOR
            self._limit_cpu(quota)

    def ran_out_of_memory(self) -> bool:
        """Whether the task's limit has been reached and the kernel had to end a process."""
        folder = self._folder("memory")
        try:
            if self._is_unified:
                events = dict(
                    line.split() for line in (folder / "memory.events").read_text().splitlines()
                )
                return int(events.get("oom_kill", 0)) > 0
            # Version 1 counts killed processes in the container's own group, which is gone by now.
            return int((folder / "memory.failcnt").read_text()) > 0
        except (OSError, ValueError):
            return False

    def remove(self) -> None:
        """Remove the group; containers that end just now get a moment for it."""
        deadline = time.monotonic() + _REMOVAL_SECONDS
        trees = [self._root] if self._is_unified else list(self._root.iterdir())
        for tree in trees:
            folder = tree / self.path.lstrip("/")
            while folder.exists():
                for inner, _, _ in os.walk(folder, topdown=False):
                    with contextlib.suppress(OSError):
                        os.rmdir(inner)
                if time.monotonic() > deadline:
                    break
                if folder.exists():
                    time.sleep(0.05)
            with contextlib.suppress(OSError):
                folder.parent.rmdir()  # fails while another task has a group in it

    def _limit_memory(self, limit: int) -> None:
        folder = self._folder("memory")
        # Fargate has no swap space.
        if self._is_unified:
            (folder / "memory.max").write_text(str(limit))
            with contextlib.suppress(OSError):
                (folder / "memory.swap.max").write_text("0")
        else:
            (folder / "memory.limit_in_bytes").write_text(str(limit))
            with contextlib.suppress(OSError):
                (folder / "memory.memsw.limit_in_bytes").write_text(str(limit))

    def _limit_cpu(self, quota: int) -> None:
        folder = self._folder("cpu")
        if self._is_unified:
            (folder / "cpu.max").write_text(f"{quota} {_PERIOD_MICROSECONDS}")
        else:
            (folder / "cpu.cfs_period_us").write_text(str(_PERIOD_MICROSECONDS))
            (folder / "cpu.cfs_quota_us").write_text(str(quota))

    def _folder(self, controller: str) -> Path:
        tree = self._root if self._is_unified else self._root / controller
        return tree / self.path.lstrip("/")

    def _delegate(self) -> None:
        """Let the groups below the root have limits (version 2)."""
        folder = self._root / self.path.lstrip("/")
        folder.mkdir(parents=True, exist_ok=True)
        for ancestor in (folder.parent.parent, folder.parent):
            (ancestor / "cgroup.subtree_control").write_text("+cpu +memory")
