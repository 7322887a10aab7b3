"""A container as one process of this machine: its end, exit code and output are the container's."""

from pathlib import Path

from embedded_aws.processes import ManagedProcess


class MainProcess:
    def __init__(self, process: ManagedProcess) -> None:
        self._process = process

    @property
    def log_file(self) -> Path:
        return self._process.log_file

    @property
    def pid(self) -> int:
        """Of a local process also its session; of podman's container that of podman itself."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process.is_running

    @property
    def exit_code(self) -> int | None:
        return self._process.exit_code

    def wait(self, timeout: float | None = None) -> int | None:
        return self._process.wait(timeout)
