"""The options of `podman run` for one container of a task."""

import json
import resource
from collections.abc import Iterable, Sequence

from embedded_aws.containers.interface import Isolation, Specification, Ulimit

# Fargate's own limit of open files; its other limits are those of the operating system.
_OPEN_FILES = 65535
# More than a task needs, and not more than podman has left itself without CAP_SYS_RESOURCE.
_PROCESSES = 32768
_KINDS = {"nofile": resource.RLIMIT_NOFILE, "nproc": resource.RLIMIT_NPROC}


def options_of(isolation: Isolation, *, group: str) -> list[str]:
    """What a container may do and use.

    Args:
        isolation: what the task definition says.
        group: the path of the control group that limits its CPU and memory.
    """
    return [
        # Tasks differ in their loopback address; there the endpoint and the database are reachable.
        "--network", "host",
        "--cgroup-parent", group,
        # podman's monitor process is not part of the task.
        "--cgroups", "no-conmon",
        "--log-driver", "none",
        "--pull", "never",
        "--http-proxy=false",
        "--pids-limit", "-1",
        # podman's tmpfs on /tmp, /run and /var/tmp does not exist on Fargate.
        "--read-only-tmpfs=false",
        *_right_options(isolation),
    ]  # fmt: skip


def words_of(specification: Specification) -> tuple[list[str], list[str]]:
    """The option that replaces the image's entry point, and the words behind the image's name."""
    entrypoint: Sequence[str] | None = specification.entrypoint
    command: Sequence[str] = specification.command or ()
    if not entrypoint and specification.image.entrypoint:
        entrypoint = specification.image.entrypoint
        command = command or specification.image.command
    option = ["--entrypoint", json.dumps(list(entrypoint))] if entrypoint else []
    return option, list(command)


def _right_options(isolation: Isolation) -> list[str]:
    options = []
    if isolation.read_only_root:
        options.append("--read-only")
    if isolation.user:
        options += ["--user", isolation.user]
    if isolation.working_directory:
        options += ["--workdir", isolation.working_directory]
    if isolation.init_process:
        options.append("--init")
    for capability in isolation.dropped_capabilities:
        options += ["--cap-drop", capability]
    for capability in isolation.added_capabilities:
        options += ["--cap-add", capability]
    for ulimit in _ulimits(isolation.ulimits):
        options += ["--ulimit", f"{ulimit.name}={ulimit.soft}:{ulimit.hard}"]
    return options


def _ulimits(named: Iterable[Ulimit]) -> list[Ulimit]:
    """The limits of a container, none above what this machine allows.

    Without an explicit limit podman sets its own, which a root without CAP_SYS_RESOURCE (in a
    container, in CI) may not set.
    """
    wanted = {
        "nofile": Ulimit("nofile", _OPEN_FILES, _OPEN_FILES),
        "nproc": Ulimit("nproc", _PROCESSES, _PROCESSES),
        **{ulimit.name: ulimit for ulimit in named},
    }
    return [
        Ulimit(one.name, _allowed(one.name, one.soft), _allowed(one.name, one.hard))
        for one in wanted.values()
    ]


def _allowed(name: str, wanted: int) -> int:
    kind = _KINDS.get(name)
    if kind is None:
        return wanted
    _, hard = resource.getrlimit(kind)
    return wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
