"""Containers of ECS tasks, behind the part of docker-py that ministack uses.

One object per container: its address, directory, log and health, and what runs it (`interface`).
The stand-in for the `docker` module passes them to ministack; the modules of ECS read from them
what ECS reports.
"""

import contextlib
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from embedded_aws.containers import addresses
from embedded_aws.containers.as_processes import ProcessRuntime
from embedded_aws.containers.health import HealthCheck, HealthMonitor
from embedded_aws.containers.interface import (
    APIError,
    DockerException,
    Isolation,
    Running,
    Runtime,
    Specification,
)
from embedded_aws.containers.podman.runtime import PodmanRuntime
from embedded_aws.settings import Image, Settings, registry_images

_TASK_LABEL = "com.amazonaws.ecs.task-arn"
_NAME_LABEL = "com.amazonaws.ecs.container-name"
_DEFAULT_STOP_TIMEOUT_SECONDS = 30  # Fargate's
_KEPT_LOGS = 200
_RUNTIMES: dict[str, Callable[[Settings], Runtime]] = {
    "processes": ProcessRuntime,
    "podman": PodmanRuntime,
}
_LOG_POLL_SECONDS = 0.05


class NotFound(DockerException):
    pass


class ImageNotFound(NotFound):
    pass


class Container:
    """One started container, with the part of docker-py's interface that ministack uses."""

    def __init__(
        self,
        running: Running,
        *,
        name: str,
        labels: Mapping[str, str],
        address: str,
        stop_timeout: float,
    ) -> None:
        self.id = secrets.token_hex(32)
        self.name = name
        self.labels = dict(labels)
        self.attrs: dict[str, Any] = {}
        self.task_arn = labels[_TASK_LABEL]
        self.container_name = labels[_NAME_LABEL]
        self._running = running
        self._address = address
        self._stop_timeout = stop_timeout
        # Counted by containers.logs: threads that copy the output to a log stream.
        self.log_followers = 0
        self.reload()

    @property
    def status(self) -> str:
        # Not "exited" before the output is in the log stream: clients read it when the task ends.
        if self._running.is_running or self.log_followers:
            return "running"
        return "exited"

    @property
    def exit_code(self) -> int | None:
        return self._running.exit_code

    @property
    def out_of_memory(self) -> bool:
        return self._running.out_of_memory

    def reload(self) -> None:
        self.attrs = {
            "NetworkSettings": {"Networks": {"task": {"IPAddress": self._address}}},
            "State": {"Status": self.status, "ExitCode": self.exit_code},
        }

    def wait(self, timeout: float | None = None) -> dict[str, int | None]:
        return {"StatusCode": self._running.wait(timeout)}

    def stop(self, timeout: float | None = None) -> None:
        """End the container within the task definition's stopTimeout, whatever ``timeout`` is."""
        self._running.stop(self._stop_timeout)

    def kill(self, **_: Any) -> None:
        self._running.kill()

    def remove(self, *, v: bool = False, force: bool = False) -> None:
        if self._running.is_running:
            if not force:
                raise APIError(f"container {self.name} is running")
            self._running.kill()
        self._running.remove()
        _containers.forget(self)

    def logs(self, *, stream: bool = False, tail: int | None = None, **_: Any) -> Any:
        if stream:
            return self._followed_log()
        lines = self._running.log_file.read_bytes().splitlines(keepends=True)
        return b"".join(lines[-tail:] if tail else lines)

    def _followed_log(self) -> Iterator[bytes]:
        with self._running.log_file.open("rb") as log:
            pending = b""
            while True:
                ended = not self._running.is_running
                pending += log.read()
                *lines, pending = pending.split(b"\n")
                yield from (line + b"\n" for line in lines)
                if ended:
                    break
                time.sleep(_LOG_POLL_SECONDS)
            if pending:
                yield pending


class Containers:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._runtime: Runtime = _RUNTIMES[settings.runtime](settings)
        self._lock = threading.Lock()
        self._known: dict[str, Container] = {}

    def run(
        self,
        image: str,
        command: Sequence[str] | None = None,
        *,
        name: str = "",
        environment: Mapping[str, str] | None = None,
        labels: Mapping[str, str] | None = None,
        entrypoint: Sequence[str] | None = None,
        healthcheck: Mapping[str, Any] | None = None,
        stop_timeout: float | None = None,
        isolation: Isolation | None = None,
        **_: Any,
    ) -> Container:
        labels = labels or {}
        if _TASK_LABEL not in labels:
            raise APIError(f"{image} is not started: only ECS tasks are containers here")
        task_arn = labels[_TASK_LABEL]
        task_id = task_arn.rsplit("/", 1)[-1]
        local_image = image_named(self._settings, image)
        container_name = labels[_NAME_LABEL]
        # Containers of one task do not share files.
        directory = self._task_dir(task_arn) / container_name
        directory.mkdir(parents=True, exist_ok=True)
        specification = Specification(
            task_arn=task_arn,
            name=container_name,
            image=local_image,
            entrypoint=entrypoint,
            command=command,
            environment=environment or {},
            address=addresses.address_of(task_arn),
            directory=directory,
            log_file=self._settings.log_dir / "tasks" / f"{task_id}-{container_name}.log",
            isolation=isolation or Isolation(),
        )
        running = self._runtime.start(specification)
        container = Container(
            running,
            name=name,
            labels=labels,
            address=specification.address,
            stop_timeout=_DEFAULT_STOP_TIMEOUT_SECONDS if stop_timeout is None else stop_timeout,
        )
        with self._lock:
            self._known[container.id] = container
        check = HealthCheck.from_definition(healthcheck)
        if check:
            self._monitor(container, check, running)
        return container

    def get(self, reference: str) -> Container:
        with self._lock:
            for container in self._known.values():
                if reference and (reference == container.name or container.id == reference):
                    return container
        raise NotFound(f"no such container: {reference}")

    def of_task(self, task_arn: str) -> list[Container]:
        with self._lock:
            return [c for c in self._known.values() if c.task_arn == task_arn]

    def forget(self, container: Container) -> None:
        with self._lock:
            self._known.pop(container.id, None)

    def discard_task(self, task_arn: str) -> None:
        """Free the resources of a task after its last container; its logs stay for a while."""
        if not self.of_task(task_arn):
            addresses.release(task_arn)
            self._runtime.discard_task(task_arn.rsplit("/", 1)[-1])
            shutil.rmtree(self._task_dir(task_arn), ignore_errors=True)
            _prune_logs(self._settings.log_dir / "tasks")

    def _task_dir(self, task_arn: str) -> Path:
        return self._settings.tasks_dir / task_arn.rsplit("/", 1)[-1]

    def _monitor(self, container: Container, check: HealthCheck, running: Running) -> None:
        def report(status: str) -> None:
            for listener in _health_listeners:
                listener(container.task_arn, container.container_name, status)

        HealthMonitor(
            check,
            succeeds=running.check,
            eagerly=self._runtime.checks_eagerly,
            is_running=lambda: running.is_running,
            on_change=report,
        ).start()


def image_named(settings: Settings, name: str) -> Image:
    """The image of the configuration file, one that was pushed to the registry, or one of ECR."""
    found = settings.images.get(name) or registry_images(settings.registry_dir).get(name)
    for find in _image_sources:
        found = found or find(name)
    if found is None:
        raise ImageNotFound(f"no local image {name}")
    return found


def add_image_source(find: Callable[[str], Image | None]) -> None:
    """Call ``find(name)`` for images that neither the configuration nor the registry has."""
    _image_sources.append(find)


def _prune_logs(directory: Path) -> None:
    with contextlib.suppress(OSError):  # another task's end may prune at the same time
        logs = sorted(directory.glob("*.log"), key=lambda log: log.stat().st_mtime)
        for log in logs[:-_KEPT_LOGS]:
            log.unlink()


_containers: Containers
_health_listeners: list[Callable[[str, str, str], None]] = []
_image_sources: list[Callable[[str], Image | None]] = []


def containers_of(task_arn: str) -> list[Container]:
    return _containers.of_task(task_arn)


def discard_task(task_arn: str) -> None:
    _containers.discard_task(task_arn)


def on_health_change(listener: Callable[[str, str, str], None]) -> None:
    """Call ``listener(task_arn, container_name, status)`` whenever a health status changes."""
    _health_listeners.append(listener)


def install(settings: Settings) -> Containers:
    global _containers
    _containers = Containers(settings)
    return _containers
