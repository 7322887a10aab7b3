"""A server of this machine that stands for a service of AWS, such as PostgreSQL for RDS."""

import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

from embedded_aws.busy import stretched
from embedded_aws.processes import ManagedProcess


class LocalServer:
    """One server with its files in one directory; a subclass starts the process."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._process: ManagedProcess | None = None

    def stop(self) -> None:
        if self._process is not None:
            self._process.stop(timeout=10)
            self._process = None

    def destroy(self) -> None:
        """Stop, and remove the files. The log stays."""
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _log_file(self) -> Path:
        return self.directory.parent / f"{self.directory.name}.log"

    def _wait_until_it_answers(self, answers: Callable[[], bool], timeout: float) -> str | None:
        """Wait, longer on a busy machine; if it ends or stays silent, stop it.

        Returns:
            None when it answers, otherwise the last lines of its log.
        """
        process = self._process
        assert process is not None, "it was not started"
        deadline = time.monotonic() + stretched(timeout)
        while not answers():
            if not process.is_running or time.monotonic() > deadline:
                process.stop(timeout=5)
                lines = self._log_file().read_text(encoding="utf-8", errors="replace").splitlines()
                return " / ".join(lines[-5:])
            threading.Event().wait(0.05)
        return None
