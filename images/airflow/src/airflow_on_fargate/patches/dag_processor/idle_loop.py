"""Keep the dag-processor from running its loop twice a second when it has nothing to parse.

The loop waits for what is missing to a second since it began. After a wait, a second has passed, so
the next loop does not wait at all: every other loop repeats the queries of the one before. With
this patch each loop waits as long as nothing is parsed or queued, which halves the CPU that an idle
dag-processor uses.
No upstream report is known. The text of one is docs/upstream/cost-of-a-parse.md.
"""

from typing import Any, Final

from airflow_on_fargate.patches import replace, require

# As long as Airflow's longest wait.
IDLE_SECONDS: Final = 1.0


def apply() -> None:
    """Surround the wait at the end of the loop."""
    require("apache-airflow", "3.3.2", "3.2.2")
    from airflow.dag_processing.manager import DagFileProcessorManager

    replace(DagFileProcessorManager, "_service_processor_sockets", _waiting)


def _waiting(original: Any) -> Any:
    def _service_processor_sockets(self: Any, timeout: float | None = IDLE_SECONDS) -> None:
        if not timeout and not self._processors and not self._file_queue:
            timeout = IDLE_SECONDS
        original(self, timeout=timeout)

    return _service_processor_sockets
