"""Calls of podman's command line."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from embedded_aws.containers.interface import APIError

# This machine's settings of podman. The rest of the environment is not passed on.
_PASSED_ON = ("PATH", "HOME", "TMPDIR")
# Variables that podman, its helpers or the Go runtime read. A container's variables of such names
# must not be in podman's own environment.
_OBEYED = frozenset({
    "PATH", "HOME", "TMPDIR", "USER", "TERM", "DEBUG", "CONTAINER_HOST", "CONTAINER_SSHKEY",
    "CONTAINER_CONNECTION", "NOTIFY_SOCKET", "REGISTRY_AUTH_FILE", "GODEBUG", "GOGC", "GOMAXPROCS",
    "GOMEMLIMIT", "GOTRACEBACK", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy",
    "https_proxy", "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR",
})  # fmt: skip
_OBEYED_PREFIXES = (
    "XDG_", "CONTAINERS_", "_CONTAINERS_", "_OCI", "PODMAN_", "BUILDAH_", "STORAGE_", "DBUS_",
    "LISTEN_", "LD_", "SYSTEMD_",
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


def pass_environment(variables: Mapping[str, str], file: Path) -> tuple[list[str], dict[str, str]]:
    """Options of `podman run` and the environment to run it with, which give a container variables.

    No value is on the command line, which every user of this machine can read. `--env NAME` takes
    the value from podman's environment, which other users cannot read. Variables that podman itself
    would obey go through a file, which cannot hold values of several lines.

    Args:
        variables: the container's variables.
        file: where to put those that podman would obey; the caller removes it.

    Raises:
        APIError: such a variable has a value of several lines.
    """
    environment = own_environment()
    obeyed = {name: value for name, value in variables.items() if is_obeyed(name)}
    passed_on = {name: value for name, value in variables.items() if name not in obeyed}
    unfit = [name for name, value in obeyed.items() if "\n" in value]
    if unfit:
        raise APIError(f"{', '.join(unfit)} cannot have a value of several lines here")
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "w", encoding="utf-8") as content:
        content.writelines(f"{name}={value}\n" for name, value in obeyed.items())
    options = [word for name in passed_on for word in ("--env", name)]
    return ["--env-file", str(file), *options], {**environment, **passed_on}


def is_obeyed(name: str) -> bool:
    """Whether podman would obey a variable in its own environment."""
    return name in _OBEYED or name.startswith(_OBEYED_PREFIXES)


def call(*arguments: str, timeout: float = _CALL_SECONDS) -> subprocess.CompletedProcess[str]:
    """Run podman to its end; the caller looks at the exit code."""
    return subprocess.run(
        command(*arguments),
        env=own_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
    )


def remove_volumes(label: str) -> None:
    """Remove the volumes with a label, given as a filter."""
    volumes = call("volume", "ls", "--quiet", "--filter", label).stdout.split()
    if volumes:
        call("volume", "rm", "--force", *volumes)
