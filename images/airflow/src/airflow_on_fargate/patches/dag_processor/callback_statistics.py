"""Keep the dag-processor from parsing one file without pause.

A callback of a run that is pinned to a release (every deferred task ends with one) leaves
statistics without a finish time under the file's identity. From then on the file never counts as
parsed recently: it is parsed in every loop, some ten times a second, until the process ends.
Reported as https://github.com/apache/airflow/issues/73432.
"""

from typing import Any

from airflow_on_fargate.patches import replace, require


def apply() -> None:
    """Remove the statistics that a callback leaves."""
    # Airflow 3.2 collects results in another function, which always records a finish time.
    if not require("apache-airflow", "3.3.2", without=("3.2.2",)):
        return
    from airflow.dag_processing.manager import DagFileProcessorManager

    replace(DagFileProcessorManager, "handle_parsing_result", _without_callbacks)


def _without_callbacks(original: Any) -> Any:
    def handle_parsing_result(self: Any, file: Any, *arguments: Any, **named: Any) -> Any:
        result = original(self, file, *arguments, **named)
        # Only callbacks carry a release; what a scan of the folder finds carries none.
        if file.bundle_version is not None:
            self._file_stats.pop(file, None)
        return result

    return handle_parsing_result
