"""Runs containers with podman: one `podman run` process for each, which ends when they do.

Signals go to the container's main process, whose process id podman writes to a file; so neither a
stop nor the end of everything waits for another call of podman. Every process in a container has
the marks of the embedded AWS in its environment, like every other process that it starts.
"""

import contextlib
import os
import secrets
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from embedded_aws import processes
from embedded_aws.containers import images
from embedded_aws.containers.interface import APIError, Running, Specification
from embedded_aws.containers.main_process import MainProcess
from embedded_aws.containers.podman import client, leftovers, options
from embedded_aws.containers.podman.cgroups import Group
from embedded_aws.containers.podman.volumes import Volumes
from embedded_aws.settings import Settings

_KILLED = 128 + signal.SIGKILL
_START_SECONDS = 120
_KILL_SECONDS = 10
_POLL_SECONDS = 0.05
_LAST_LINES = 3


class _PodmanContainer(MainProcess):
    def __init__(
        self,
        process: processes.ManagedProcess,
        *,
        name: str,
        pid_file: Path,
        group: Group,
    ) -> None:
        super().__init__(process)
        self._name = name
        self._pid_file = pid_file
        self._group = group
        self._killed_here = False
        self._out_of_memory: bool | None = None

    @property
    def out_of_memory(self) -> bool:
        if self._out_of_memory is None:
            if self.exit_code != _KILLED or self._killed_here:
                return False
            self._out_of_memory = self._group.ran_out_of_memory()
        return self._out_of_memory

    def stop(self, timeout: float) -> None:
        self._signal(signal.SIGTERM)
        self.wait(timeout)
        self.kill()

    def kill(self) -> None:
        if self.is_running:
            self._killed_here = True
            # The kernel ends every process of a container with its main process.
            self._signal(signal.SIGKILL)
            self.wait(_KILL_SECONDS)
        self._process.kill()

    def check(self, argv: Sequence[str], timeout: float) -> bool:
        mark = secrets.token_hex(8)
        process = subprocess.Popen(
            client.command("exec", "--env", f"{processes.PROCESS_MARK}={mark}", self._name, *argv),
            env=client.own_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            return process.wait(timeout) == 0
        except subprocess.TimeoutExpired:
            # The command in the container is no child of `podman exec`.
            processes.kill_processes(processes.members(process.pid, mark))
            process.wait()
            return False

    def remove(self) -> None:
        client.call("rm", "--force", "--volumes", "--time", "0", self._name)
        self._pid_file.unlink(missing_ok=True)
        self._group.forget()

    def await_start(self) -> None:
        """Return when the main process runs or has ended.

        Raises:
            APIError: podman could not start it; with podman's message.
        """
        deadline = time.monotonic() + _START_SECONDS
        while not self._pid_file.exists():
            if not self.is_running:
                message = self._last_lines()
                self.remove()
                raise APIError(f"podman: {message}")
            if time.monotonic() > deadline:
                self._process.kill()
                self.remove()
                raise APIError(f"podman has not started it within {_START_SECONDS} s")
            time.sleep(_POLL_SECONDS)

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(OSError, ValueError):
            if self.is_running:
                os.kill(int(self._pid_file.read_text()), number)

    def _last_lines(self) -> str:
        lines = self.log_file.read_text(errors="replace").strip().splitlines()
        return " ".join(lines[-_LAST_LINES:])


class PodmanRuntime:
    checks_eagerly = False

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._groups: dict[str, Group] = {}
        self._parent = leftovers.prefix_of(settings.endpoint_port)
        self._volumes = Volumes(settings.state_dir, self._parent)
        # Now what an embedded AWS has left that was killed, and at the end all of this one.
        self._remove_everything()
        processes.registry().after_end(self._remove_everything)

    def start(self, specification: Specification) -> Running:
        if not specification.image.reference:
            raise APIError("the image is not one of podman's: it was pushed for local processes")
        group = self._group_of(specification)
        name = f"{self._parent}-{specification.task_id}-{specification.name}"
        pid_file = specification.directory / "pid"
        variables_file = specification.directory / "environment"
        placeholders = {"{task_ip}": specification.address}
        variables, environment = client.pass_environment(
            {
                **images.filled_environment(specification.image, placeholders),
                **specification.environment,
                # The registry of processes sets the values.
                processes.STATE_DIR_MARK: "",
                processes.PROCESS_MARK: "",
            },
            variables_file,
        )
        entrypoint, words = options.words_of(specification)
        process = processes.registry().start(
            client.command(
                "run",
                "--name", name,
                "--label", f"{processes.STATE_DIR_MARK}={self._settings.state_dir}",
                "--pidfile", str(pid_file),
                *options.options_of(specification.isolation, group=group.path),
                *self._volumes.options_of(specification),
                *variables,
                *entrypoint,
                specification.image.reference,
                *words,
            ),
            name=f"task {specification.task_id[:8]} {specification.name}",
            env=environment,
            cwd=specification.directory,
            log_file=specification.log_file,
        )  # fmt: skip
        container = _PodmanContainer(process, name=name, pid_file=pid_file, group=group)
        try:
            container.await_start()
        finally:
            variables_file.unlink(missing_ok=True)
        return container

    def discard_task(self, task_id: str) -> None:
        with self._lock:
            group = self._groups.pop(task_id, None)
        if group is not None:
            group.remove()
        self._volumes.discard_task(task_id)

    def _group_of(self, specification: Specification) -> Group:
        """The container's control group, in that of its task, with the limits of both."""
        limits = specification.isolation.limits
        task = Group(f"/{self._parent}/{specification.task_id}")
        container = Group(f"{task.path}/{specification.name}")
        try:
            with self._lock:
                container.create()
                self._groups[specification.task_id] = task
            for limit, set_limit in (
                (limits.task_cpu, task.limit_cpu),
                (limits.task_memory, task.limit_memory),
                (limits.cpu, container.share_cpu),
                (limits.memory, container.limit_memory),
                (limits.memory_reservation, container.reserve_memory),
            ):
                if limit is not None:
                    set_limit(limit)
            container.watch_memory()
        except OSError as error:
            raise APIError(f"the task's limits cannot be set: {error}") from error
        return container

    def _remove_everything(self) -> None:
        leftovers.remove(str(self._settings.state_dir), self._settings.endpoint_port)
