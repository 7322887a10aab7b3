"""Containers as local processes: the default, which needs nothing but this machine's Python.

A process sees the machine's files and has no limits of its own.
"""

import contextlib
import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from embedded_aws import processes
from embedded_aws.containers import images
from embedded_aws.containers.interface import Running, Specification
from embedded_aws.containers.main_process import MainProcess
from embedded_aws.settings import Settings


class _RunningProcess(MainProcess):
    out_of_memory = False  # nothing limits its memory

    def __init__(
        self, process: processes.ManagedProcess, launch: images.Launch, directory: Path, mark: str
    ) -> None:
        super().__init__(process)
        self._launch = launch
        self._directory = directory
        self._mark = mark

    def stop(self, timeout: float) -> None:
        self._process.stop(timeout)

    def kill(self) -> None:
        self._process.kill()

    def check(self, argv: Sequence[str], timeout: float) -> bool:
        try:
            process = subprocess.Popen(
                argv,
                env={**self._launch.env, processes.STATE_DIR_MARK: self._mark},
                cwd=self._directory,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError:
            return False
        try:
            return process.wait(timeout) == 0
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return False

    def remove(self) -> None:
        """Nothing is left of a process; its folder is removed with the task."""


class ProcessRuntime:
    checks_eagerly = True

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def start(self, specification: Specification) -> Running:
        launch = images.launch_of(
            specification.image,
            entrypoint=specification.entrypoint,
            command=specification.command,
            env=specification.environment,
            container_dir=str(specification.directory),
            task_ip=specification.address,
        )
        process = processes.registry().start(
            launch.argv,
            name=f"task {specification.task_id[:8]} {specification.name}",
            env=launch.env,
            cwd=specification.directory,
            log_file=specification.log_file,
        )
        mark = str(self._settings.state_dir)
        return _RunningProcess(process, launch, specification.directory, mark)

    def discard_task(self, task_id: str) -> None:
        """The processes of a task share nothing."""
