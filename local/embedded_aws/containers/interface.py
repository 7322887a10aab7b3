"""What a container is, whichever way it runs: as a local process, or in podman.

`runtime.Containers` takes what ECS asks for and starts it with the one `Runtime` of the settings.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from embedded_aws.settings import Image


class DockerException(Exception):
    """The base of docker-py's errors, by which ministack knows that a container did not start."""


class APIError(DockerException):
    pass


@dataclass(frozen=True)
class Limits:
    """CPU units (1,024 are one processor) and MiB of memory; None where nothing is set.

    ``task_cpu`` and ``task_memory`` are hard limits of all containers of a task together. Among
    them ``cpu`` decides who gets how much when all are busy, and ``memory`` is a hard limit.
    """

    task_cpu: int | None = None
    task_memory: int | None = None
    cpu: int | None = None
    memory: int | None = None
    memory_reservation: int | None = None


@dataclass(frozen=True)
class Ulimit:
    name: str
    soft: int
    hard: int


@dataclass(frozen=True)
class Mount:
    """A volume of the task, empty when the task starts, at a path of the container."""

    volume: str
    path: str
    read_only: bool = False


@dataclass(frozen=True)
class Isolation:
    """What a task definition says about a container's limits, rights and files."""

    limits: Limits = field(default_factory=Limits)
    read_only_root: bool = False
    user: str = ""
    working_directory: str = ""
    added_capabilities: tuple[str, ...] = ()
    dropped_capabilities: tuple[str, ...] = ()
    ulimits: tuple[Ulimit, ...] = ()
    init_process: bool = False
    mounts: tuple[Mount, ...] = ()


@dataclass(frozen=True)
class Specification:
    """One container to start.

    Args:
        task_arn: the task that it belongs to.
        name: its name in the task definition.
        image: the image, by the registry of this machine.
        entrypoint: in place of the image's; it also takes away the image's command.
        command: in place of the image's.
        environment: all variables that ECS gives to the container: those of the task definition,
            secrets, the task metadata endpoint, credentials.
        address: the loopback address of the task.
        directory: a folder on this machine that only this container uses.
        log_file: where its output goes.
        isolation: its limits, rights and files.
    """

    task_arn: str
    name: str
    image: Image
    entrypoint: Sequence[str] | None
    command: Sequence[str] | None
    environment: Mapping[str, str]
    address: str
    directory: Path
    log_file: Path
    isolation: Isolation

    @property
    def task_id(self) -> str:
        return self.task_arn.rsplit("/", 1)[-1]


class Running(Protocol):
    """A container that was started."""

    @property
    def log_file(self) -> Path: ...

    @property
    def pid(self) -> int: ...

    @property
    def is_running(self) -> bool: ...

    @property
    def exit_code(self) -> int | None:
        """As Docker gives it: 128 plus the signal's number for one that was killed."""

    @property
    def out_of_memory(self) -> bool:
        """Whether it ended because it needed more memory than it or its task may have."""

    def wait(self, timeout: float | None = None) -> int | None:
        """Wait for the end; None when it still runs after the timeout."""

    def stop(self, timeout: float) -> None:
        """SIGTERM to the main process and, if it has not ended by then, SIGKILL to all."""

    def kill(self) -> None: ...

    def check(self, argv: Sequence[str], timeout: float) -> bool:
        """Whether a command in the container succeeds in time; nothing of it is left running."""

    def remove(self) -> None:
        """Remove what is left of an ended container."""


class Runtime(Protocol):
    """A way to run containers.

    Where ``checks_eagerly`` is true, health checks also run between their intervals until the first
    success. A check in a container uses the CPU of its task, so there it would delay the start.
    """

    checks_eagerly: bool

    def start(self, specification: Specification) -> Running:
        """Return when the container has started.

        Raises:
            DockerException: it cannot be started; the message goes into the task's stoppedReason.
        """

    def discard_task(self, task_id: str) -> None:
        """Free what the containers of a task shared; all of them are removed."""
