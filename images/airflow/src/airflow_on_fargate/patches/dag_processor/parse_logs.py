"""Keep the dag-processor from writing log files.

With `[logging] dag_processor_log_target = stdout` Airflow writes the output of each parse to
standard output *and* to a file for each DAG file and day, which nothing removes: the disk of the
task fills. A file whose name has more than 251 bytes has no possible log file, and ends the
dag-processor. What Airflow itself reports about a parse, such as the signal that ended it, is
written to the file only.

With this patch standard output gets everything, and nothing is written to disk.
No upstream report is known. The text of one is docs/upstream/parse-log-files.md.
"""

import os
from typing import Any

from airflow_on_fargate.patches import replace, require


def apply() -> None:
    """Log to standard output only, where that is the target."""
    require("apache-airflow", "3.3.2", "3.2.2")
    from airflow.dag_processing.manager import DagFileProcessorManager
    from airflow.dag_processing.processor import DagFileProcessorProcess

    replace(DagFileProcessorManager, "_get_logger_for_dag_file", _without_file)
    replace(DagFileProcessorProcess, "_get_target_loggers", _only_once)


def _without_file(original: Any) -> Any:
    def _get_logger_for_dag_file(self: Any, dag_file: Any) -> Any:
        import structlog
        from airflow.configuration import conf

        if conf.get("logging", "dag_processor_log_target") != "stdout":
            return original(self, dag_file)
        logger = structlog.get_logger(logger_name="processor").bind(
            dag_file=str(dag_file.rel_path), bundle_name=dag_file.bundle_name
        )
        # Airflow closes it after the parse.
        return logger, open(os.devnull, "ab")

    return _get_logger_for_dag_file


def _only_once(original: Any) -> Any:
    def _get_target_loggers(self: Any) -> Any:
        if self.subprocess_logs_to_stdout:
            return (self.process_log,)
        return original(self)

    return _get_target_loggers
