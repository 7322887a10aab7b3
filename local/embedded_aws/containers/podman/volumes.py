"""The volumes of a task, which its containers share and which are empty when it starts.

As on Fargate, an empty volume belongs to root and has mode 0755, whatever the container's user. An
image that names the path in a VOLUME instruction decides owner, mode and first content itself.
"""

import functools
import json
import threading
from pathlib import Path

from embedded_aws.containers.interface import APIError, Mount, Specification
from embedded_aws.containers.podman import client
from embedded_aws.processes import PROCESS_MARK, STATE_DIR_MARK

_MODE = 0o755


class Volumes:
    """The volumes of all tasks of one embedded AWS."""

    def __init__(self, state_dir: Path, prefix: str) -> None:
        self._state_dir = state_dir
        self._prefix = prefix
        self._lock = threading.Lock()

    def options_of(self, specification: Specification) -> list[str]:
        """Options of `podman run` for a container's mounts; makes the volumes."""
        declared = declared_volumes(specification.image.reference)
        options = []
        for mount in specification.isolation.mounts:
            place = self._place(specification, mount, mount.path in declared)
            options += ["--volume", f"{place}:{mount.path}:{'ro' if mount.read_only else 'rw'}"]
        return options

    def discard_task(self, task_id: str) -> None:
        """Remove the volumes of a task; those that are folders go with the task's folder."""
        client.remove_volumes(f"label={PROCESS_MARK}={task_id}")

    def _place(self, specification: Specification, mount: Mount, is_declared: bool) -> str:
        folder = specification.directory.parent / "volumes" / mount.volume
        name = f"{self._prefix}-{specification.task_id}-{mount.volume}"
        with self._lock:
            if folder.exists():
                return str(folder)
            if is_declared:
                self._create(name, specification.task_id)
                return name
            folder.mkdir(parents=True)
            folder.chmod(_MODE)
            return str(folder)

    def _create(self, name: str, task_id: str) -> None:
        if client.call("volume", "exists", name).returncode == 0:
            return
        done = client.call(
            "volume", "create",
            "--label", f"{STATE_DIR_MARK}={self._state_dir}",
            "--label", f"{PROCESS_MARK}={task_id}",
            name,
        )  # fmt: skip
        if done.returncode:
            raise APIError(f"podman: {done.stderr.strip()}")


@functools.cache
def declared_volumes(reference: str) -> frozenset[str]:
    """The paths of the image's VOLUME instructions."""
    done = client.call("image", "inspect", "--format", "{{json .Config.Volumes}}", reference)
    return frozenset(json.loads(done.stdout) or {}) if done.returncode == 0 else frozenset()
