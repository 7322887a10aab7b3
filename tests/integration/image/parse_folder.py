"""Parses a folder of DAGs with Airflow's own manager, in the database that the environment names.

`FOLDER [patched]`: parse each file once, then print what the database has as JSON. The first call
creates the tables. A run of each DAG is created, as the API server does.
"""

import json
import sys
from pathlib import Path
from typing import Any

from airflow._shared.timezones import timezone
from airflow.dag_processing.manager import DagFileProcessorManager
from airflow.models.dag import DagModel
from airflow.models.dagbag import DBDagBag
from airflow.models.dagbundle import DagBundleModel
from airflow.models.errors import ParseImportError
from airflow.settings import engine
from airflow.utils.db import initdb
from airflow.utils.session import create_session
from airflow.utils.state import DagRunState
from airflow.utils.types import DagRunTriggeredByType, DagRunType
from sqlalchemy import inspect, select

from airflow_on_fargate import patches


def tasks_of_a_run(dag_id: str, session: Any) -> list[str]:
    """The tasks of a new run; none where nothing can run."""
    dag = DBDagBag().get_latest_version_of_dag(dag_id, session=session)
    if dag is None:
        return []
    now = timezone.utcnow()
    run = dag.create_dagrun(
        run_id=f"manual__{now.isoformat()}", logical_date=None, run_after=now, data_interval=None,
        run_type=DagRunType.MANUAL, triggered_by=DagRunTriggeredByType.REST_API,
        state=DagRunState.QUEUED, session=session,
    )  # fmt: skip
    return sorted(instance.task_id for instance in run.task_instances)


def main() -> None:
    """Parse and print."""
    if not inspect(engine).has_table(DagModel.__tablename__):
        initdb()
    if "patched" in sys.argv:
        patches.apply_for("dag-processor")
    with create_session() as session:
        session.merge(DagBundleModel(name="folder"))
    manager = DagFileProcessorManager(max_runs=1)
    manager.run()

    dags: dict[str, Any] = {}
    with create_session() as session:
        error = (ParseImportError.filename, ParseImportError.stacktrace)
        errors = dict(session.execute(select(*error)).all())
        for dag_id, stale in session.execute(select(DagModel.dag_id, DagModel.is_stale)).all():
            dags[dag_id] = {"stale": stale, "tasks": tasks_of_a_run(dag_id, session)}
    logs = [str(path) for path in Path(manager.base_log_dir).rglob("*.log")]
    print(json.dumps({"errors": errors, "dags": dags, "logs": logs}))


if __name__ == "__main__":
    main()
