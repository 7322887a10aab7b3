"""Calls of podman's command line."""

import os
import subprocess
from collections.abc import Mapping

from embedded_aws.processes import STATE_DIR_MARK

# This machine's settings of podman. The rest of the environment is not passed on.
_PASSED_ON = ("PATH", "HOME", "TMPDIR")
# Variables that podman, its helpers or the Go runtime read. A container's variables of such names
# must not be in podman's own environment.
_READ_BY_PODMAN = (
    "PATH", "HOME", "TMPDIR", "USER", "XDG_", "CONTAINER", "_CONTAINERS_", "_OCI", "PODMAN_",
    "BUILDAH_", "STORAGE_", "REGISTRY_AUTH", "DBUS_", "LISTEN_", "NOTIFY_", "GO", "LD_", "TERM",
    "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy",
    "DEBUG", "SYSTEMD_",
)  # fmt: skip
_PROGRAM = (
    "podman",
    # Without systemd too; and the parent of a container's control group is named like a folder.
    "--cgroup-manager", "cgroupfs",
    "--events-backend", "none",
    "--log-level", "error",
)  # fmt: skip
_CALL_SECONDS = 120


def command(*arguments: str) -> list[str]:
    return [*_PROGRAM, *arguments]


def own_environment() -> dict[str, str]:
    """The environment of podman itself."""
    return {
        name: value
        for name, value in os.environ.items()
        if name in _PASSED_ON or name.startswith(("XDG_", "CONTAINERS_"))
    }


def pass_environment(variables: Mapping[str, str]) -> tuple[list[str], dict[str, str]]:
    """Options of `podman run` and the environment to run it with, which give a container variables.

    `--env NAME` takes the value from podman's environment, which other users cannot read. The
    command line, which everybody can read, gets no value but those of names that podman itself
    would obey (`PATH`, `HOME`). A file of `--env-file` could not hold values of several lines.
    """
    options: list[str] = []
    environment = own_environment()
    for name, value in variables.items():
        if name.startswith(_READ_BY_PODMAN):
            options += ["--env", f"{name}={value}"]
        else:
            options += ["--env", name]
            environment[name] = value
    return options, environment


def call(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run podman to its end; the caller looks at the exit code."""
    return subprocess.run(
        command(*arguments),
        env=own_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_CALL_SECONDS,
    )


def remove_all(state_dir: str) -> None:
    """Remove every container and volume of an embedded AWS, running or not."""
    mark = f"label={STATE_DIR_MARK}={state_dir}"
    containers = call("ps", "--all", "--quiet", "--filter", mark).stdout.split()
    if containers:
        call("rm", "--force", "--volumes", "--time", "0", *containers)
    remove_volumes(mark)


def remove_volumes(label: str) -> None:
    """Remove the volumes with a label, given as a filter."""
    volumes = call("volume", "ls", "--quiet", "--filter", label).stdout.split()
    if volumes:
        call("volume", "rm", "--force", *volumes)
