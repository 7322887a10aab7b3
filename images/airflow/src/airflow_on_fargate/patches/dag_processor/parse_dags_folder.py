"""Let a file that is parsed find others in `$AIRFLOW_HOME/dags`.

Not a correction: Airflow's bundles have no such folder. A task's process asks the bundle for its
release, which does the same there; the process that parses a file is only given the folder's path.
"""

from typing import Any

from airflow_on_fargate.patches import replace, require


def apply() -> None:
    """Serve the bundle's folder in each parse process."""
    require("apache-airflow", "3.3.2", "3.2.2")
    from airflow.dag_processing import processor

    replace(processor, "_parse_file", _with_dags_folder)


def _with_dags_folder(original: Any) -> Any:
    def _parse_file(msg: Any, log: Any) -> Any:
        from airflow_on_fargate.releases import dags_folder

        dags_folder.serve(msg.bundle_path)
        return original(msg, log)

    return _parse_file
