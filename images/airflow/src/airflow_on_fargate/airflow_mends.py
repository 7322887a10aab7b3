"""Repairs of Airflow 3.3.2, until a release brings them.

Each says what happens without it and where it is reported.
"""

from typing import Any


def forget_statistics_of_callbacks() -> None:
    """Keep the dag-processor from parsing one file without pause.

    A callback of a run that is pinned to a release (every deferred task ends with one) leaves
    statistics without a finish time under the file's identity. From then on the file never counts
    as parsed recently: it is parsed in every loop, some ten times a second, until the process ends.
    Reported as apache/airflow#73432.
    """
    from airflow.dag_processing.manager import DagFileProcessorManager

    # Other versions, such as the one that an upgrade comes from, have no such method.
    original = getattr(DagFileProcessorManager, "handle_parsing_result", None)
    if original is None or getattr(original, "mended", False):
        return

    def handle_parsing_result(self: Any, file: Any, *arguments: Any, **named: Any) -> Any:
        result = original(self, file, *arguments, **named)
        # Only callbacks carry a release; what a scan of the folder finds carries none.
        if file.bundle_version is not None:
            self._file_stats.pop(file, None)
        return result

    handle_parsing_result.mended = True  # type: ignore[attr-defined]
    DagFileProcessorManager.handle_parsing_result = handle_parsing_result
