"""Creates a run while the next release is recorded, in the database that the environment names.

Prints the result as JSON. With the argument `patched`, Airflow is patched first.
"""

import json
import sys
from pathlib import Path
from typing import Any

from airflow._shared.timezones import timezone
from airflow.dag_processing.collection import update_dag_parsing_results_in_db
from airflow.models.dag import DagModel
from airflow.models.dagbag import DBDagBag
from airflow.models.dagbundle import DagBundleModel
from airflow.sdk import DAG, task
from airflow.serialization.serialized_objects import LazyDeserializedDAG
from airflow.settings import engine
from airflow.utils.db import initdb
from airflow.utils.session import create_session
from airflow.utils.state import DagRunState
from airflow.utils.types import DagRunTriggeredByType, DagRunType
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from airflow_on_fargate import patches


def record(release: str) -> None:
    """As the dag-processor does: a DAG whose only task has the name of its release."""
    with DAG("example", schedule=None) as dag:

        @task(task_id=release)
        def only() -> None:
            """Nothing."""

        only()
    dag.fileloc, dag.relative_fileloc = str(Path(__file__)), "example.py"
    found = [LazyDeserializedDAG.from_dag(dag)]
    with create_session() as session:
        update_dag_parsing_results_in_db("releases", release, found, {}, 0.1, set(), session)


def run_while(session: Any, name: str, overtaken_by: str | None) -> Any:
    """As the API server does: read the DAG, then create the run."""
    dag = DBDagBag().get_latest_version_of_dag("example", session=session)
    assert dag
    if overtaken_by:
        record(overtaken_by)
    return dag.create_dagrun(
        run_id=name, logical_date=None, run_after=timezone.utcnow(), data_interval=None,
        run_type=DagRunType.MANUAL, triggered_by=DagRunTriggeredByType.REST_API,
        state=DagRunState.QUEUED, session=session,
    )  # fmt: skip


def locked() -> bool:
    """Whether the dag-processor would have to wait now."""
    with engine.connect() as other:
        try:
            other.execute(select(DagModel.dag_id).with_for_update(nowait=True, key_share=True))
        except OperationalError:
            return True
    return False


def main() -> None:
    """Two runs: of a DAG whose version has no run yet and is overwritten, and of one that has."""
    initdb()
    if "patched" in sys.argv:
        patches.apply("api_server.run_creation")
    with create_session() as session:
        session.add(DagBundleModel(name="releases"))
    printed = []
    for name, before, after in (("first", "one", "two"), ("second", "three", "four")):
        record(before)
        with create_session() as session:
            run = run_while(session, name, after)
            tasks = [instance.task_id for instance in run.task_instances]
            printed.append({"release": run.bundle_version, "tasks": tasks, "locked": locked()})
    print(json.dumps(printed))


if __name__ == "__main__":
    main()
