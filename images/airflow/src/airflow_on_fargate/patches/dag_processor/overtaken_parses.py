"""Keep a parse that began under one release from being recorded as the next one's.

The result of a parse is recorded with the release that is served when the parse ends. One that is
running at the switch has read old files, or some of each: until the file is parsed again, new runs
have the structure of one release and the code of the other. This patch ends such a parse and queues
the file again. The next switch waits until these files have been parsed; otherwise releases in
quick succession would keep them from ever being parsed. No upstream report is known.
"""

import signal
import time
from typing import Any, Final

from airflow_on_fargate.patches import replace, require

# A release does not wait longer than this for a file that takes so long to parse.
LONGEST_WAIT_SECONDS: Final = 30.0


def apply() -> None:
    """End the parses that are running when a release is switched."""
    require("apache-airflow", "3.3.2", "3.2.2")
    from airflow.dag_processing.manager import DagFileProcessorManager

    replace(DagFileProcessorManager, "_refresh_dag_bundles", _dropping_overtaken_parses)


def _dropping_overtaken_parses(original: Any) -> Any:
    dropped: dict[Any, float] = {}

    def _refresh_dag_bundles(self: Any, known_files: Any) -> None:
        oldest = time.monotonic() - LONGEST_WAIT_SECONDS
        under_way = {*self._processors, *self._file_queue}
        if any(since > oldest for file, since in dropped.items() if file in under_way):
            return
        dropped.clear()
        before = dict(self._bundle_versions)
        original(self, known_files)
        for file, process in list(self._processors.items()):
            switched = self._bundle_versions.get(file.bundle_name) != before.get(file.bundle_name)
            # A callback belongs to the release of its own run, and is delivered only once.
            if switched and file.bundle_version is None and not process.had_callbacks:
                del self._processors[file]
                process.kill(signal.SIGKILL)
                _close(process)
                self._add_files_to_queue([file], mode="front")
                dropped[file] = time.monotonic()

    return _refresh_dag_bundles


def _close(process: Any) -> None:
    # Airflow 3.2 closes the log only.
    close = getattr(process, "close", None)
    if close:
        close()
    else:
        process.logger_filehandle.close()
