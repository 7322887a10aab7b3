"""Say in a task's own log why it could not be queued.

A task whose queue does not exist fails in the scheduler: Celery cannot send it, and no worker ever
sees it. The reason is in the scheduler's log only. The log of the task, in which people look, says
"Hostname not available for worker. Please check your `hostname_callable` configuration."

With this patch the scheduler writes the reason beside the log that a worker would have written. The
API reads every object whose name begins with the log's name, as for logs of triggers. The audit log
gets the reason, too. Other failures to send a task are reported in the same way.
No upstream report is known. The text of one is docs/upstream/unsent-tasks.md.
"""

import json
import logging
import os
import queue
import threading
from datetime import UTC, datetime
from typing import Any, Final

from airflow_on_fargate.patches import replace, require

log = logging.getLogger(__name__)

# Behind the name of the task's log; the scheduler may write no other objects.
SUFFIX: Final = ".scheduler.log"

_MAX_WAITING: Final = 1000
_MAX_CHARACTERS: Final = 2000


def apply() -> None:
    """Report each task that Celery could not send."""
    require("apache-airflow-providers-celery", "3.26.0")
    from airflow.providers.celery.executors.celery_executor import CeleryExecutor

    replace(CeleryExecutor, "_send_workloads_to_celery", _remembering_failures)
    replace(CeleryExecutor, "_send_workloads", _reporting_failures)


def _remembering_failures(original: Any) -> Any:
    def _send_workloads_to_celery(self: Any, tuples: Any) -> Any:
        from airflow.providers.celery.executors.celery_executor_utils import ExceptionWithTraceback

        results = original(self, tuples)
        sent = {key: (workload, queue_name) for key, workload, queue_name, *_ in tuples}
        self.unsent = {
            key: (sent[key][0], reason(self.celery_app, sent[key][1], result.exception))
            for key, _, result in results
            if isinstance(result, ExceptionWithTraceback)
        }
        return results

    return _send_workloads_to_celery


def _reporting_failures(original: Any) -> Any:
    def _send_workloads(self: Any, tuples: Any) -> None:
        self.unsent = {}
        original(self, tuples)
        for key, (workload, text) in self.unsent.items():
            # A time-out is tried again first, and leaves no event until then.
            state, info = self.event_buffer.get(key, (None, None))
            if state is None or info is not None:
                continue
            self.event_buffer[key] = (state, text)
            if path := getattr(workload, "log_path", None):
                writer.write(path, text)

    return _send_workloads


def reason(celery_app: Any, queue_name: str, error: BaseException) -> str:
    """Why a task could not be sent, and what to do."""
    options = celery_app.conf.broker_transport_options or {}
    queues = list(options.get("predefined_queues") or {})
    queues += [queue.name for queue in getattr(celery_app.conf, "task_queues", None) or ()]
    if queues and queue_name not in queues:
        return (
            f"The queue {queue_name!r} does not exist in this stack, so the task could not be "
            f"queued. The queues are {', '.join(queues)}. Add it to the parameter "
            "WorkerQueueNames, or change the task's queue."
        )
    what = f"{type(error).__name__}: {error}"[:_MAX_CHARACTERS]
    return f"The task could not be sent to the queue {queue_name!r}: {what}"


class Writer:
    """Writes lines from a thread of its own: S3 must not delay the scheduler."""

    def __init__(self) -> None:
        self._lines: queue.Queue[tuple[str, str]] = queue.Queue(_MAX_WAITING)
        self._start = threading.Lock()
        self._process_id: int | None = None

    def write(self, path: str, text: str) -> None:
        """Write a line into the log at this path; returns immediately and never raises."""
        line = {
            "timestamp": datetime.now(UTC).isoformat(),
            "level": "error",
            "event": text,
            "logger": "airflow_on_fargate.scheduler",
        }
        try:
            self._lines.put_nowait((path + SUFFIX, json.dumps(line) + "\n"))
        except queue.Full:
            log.warning("Too many task logs are waiting to be written; %s is left out", path)
            return
        self._start_thread()

    def _start_thread(self) -> None:
        # On first use, because a thread does not survive the forks of a starting scheduler.
        with self._start:
            if self._process_id != os.getpid():
                self._process_id = os.getpid()
                threading.Thread(target=self._run, daemon=True, name="unsent-tasks").start()

    def _run(self) -> None:
        while True:
            path, line = self._lines.get()
            try:
                _write(path, line)
            except Exception as error:
                log.warning("The task log %s could not be written: %s", path, error)
            finally:
                self._lines.task_done()

    def flush(self) -> None:
        """Wait until everything is written."""
        self._lines.join()


writer = Writer()


def _write(path: str, line: str) -> None:
    from airflow.logging_config import get_remote_task_log

    # Without remote logging there is no log that the API server could read.
    if remote := get_remote_task_log():
        location = os.path.join(remote.remote_base, path)
        remote.write(line, location, append=False)
