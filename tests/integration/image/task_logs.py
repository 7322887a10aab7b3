"""Fills the database that the environment names with a run, for tests of its tasks' logs.

With the argument `patched`, Airflow is patched first. The task `unsent` is sent by the real
executor to a queue that does not exist. Prints what became of it as JSON.
"""

import json
import sys
from pathlib import Path
from typing import Any

from airflow._shared.timezones import timezone
from airflow.dag_processing.collection import update_dag_parsing_results_in_db
from airflow.executors.workloads import ExecuteTask
from airflow.jobs.scheduler_job_runner import SchedulerJobRunner
from airflow.models import Log, TaskInstance
from airflow.models.dagbag import DBDagBag
from airflow.models.dagbundle import DagBundleModel
from airflow.providers.celery.executors.celery_executor import CeleryExecutor
from airflow.sdk import DAG, task
from airflow.serialization.serialized_objects import LazyDeserializedDAG
from airflow.utils.db import initdb
from airflow.utils.session import create_session
from airflow.utils.state import DagRunState, TaskInstanceState
from airflow.utils.types import DagRunTriggeredByType, DagRunType
from sqlalchemy import select

from airflow_on_fargate import patches

TASKS = {"done": "default", "running": "default", "unsent": "gpu", "unsent_again": "gpu"}


def create_run() -> None:
    """A run with each of the tasks in its first try."""
    with DAG("logs", schedule=None) as dag:
        for name, queue in TASKS.items():

            @task(task_id=name, queue=queue, retries=int(name == "unsent_again"))
            def only() -> None:
                """Nothing."""

            only()
    dag.fileloc, dag.relative_fileloc = str(Path(__file__)), "logs.py"
    found = [LazyDeserializedDAG.from_dag(dag)]
    with create_session() as session:
        session.add(DagBundleModel(name="releases"))
    with create_session() as session:
        update_dag_parsing_results_in_db("releases", "one", found, {}, 0.1, set(), session)
    with create_session() as session:
        latest = DBDagBag().get_latest_version_of_dag("logs", session=session)
        assert latest
        latest.create_dagrun(
            run_id="run", logical_date=None, run_after=timezone.utcnow(), data_interval=None,
            run_type=DagRunType.MANUAL, triggered_by=DagRunTriggeredByType.REST_API,
            state=DagRunState.RUNNING, session=session,
        )  # fmt: skip
        for instance in session.scalars(select(TaskInstance)):
            instance.try_number = 1
            instance.state = {
                "done": TaskInstanceState.SUCCESS,
                "running": TaskInstanceState.RUNNING,
            }.get(instance.task_id, TaskInstanceState.QUEUED)
            instance.hostname = "127.0.0.1" if instance.task_id == "running" else ""


def send(session: Any) -> None:
    """As the scheduler does."""
    executor = CeleryExecutor()
    workloads = [
        ExecuteTask.make(each)
        for each in session.scalars(select(TaskInstance))
        if each.state == TaskInstanceState.QUEUED
    ]
    for workload in workloads:
        executor.queue_workload(workload, session=session)
    executor.heartbeat()
    SchedulerJobRunner.process_executor_events(executor, None, DBDagBag(), session)


def main() -> None:
    """See the module."""
    initdb()
    if "patched" in sys.argv:
        patches.apply_for("scheduler")
    create_run()
    with create_session() as session:
        send(session)
    if "patched" in sys.argv:
        from airflow_on_fargate.patches.scheduler import unsent_tasks

        unsent_tasks.writer.flush()
    with create_session() as session:
        states = {each.task_id: each.state for each in session.scalars(select(TaskInstance))}
        audited = [each.extra for each in session.scalars(select(Log)) if each.task_id == "unsent"]
    print(json.dumps({"states": states, "audited": audited}))


if __name__ == "__main__":
    main()
