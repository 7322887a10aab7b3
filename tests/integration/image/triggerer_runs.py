"""Makes deferred tasks in the database that the environment names, and says what became of them.

`make NAME CLASSPATH KWARGS …` stores tasks as the execution API does; `states` prints them as JSON.
"""

import json
import sys
from pathlib import Path
from typing import Any

from airflow._shared.timezones import timezone
from airflow.dag_processing.collection import update_dag_parsing_results_in_db
from airflow.models.dagbag import DBDagBag
from airflow.models.dagbundle import DagBundleModel
from airflow.models.taskinstance import TaskInstance
from airflow.models.trigger import Trigger
from airflow.models.variable import Variable
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG
from airflow.serialization.serialized_objects import LazyDeserializedDAG
from airflow.utils.session import create_session
from airflow.utils.state import DagRunState, TaskInstanceState
from airflow.utils.types import DagRunTriggeredByType, DagRunType
from sqlalchemy import select


def make(*words: str) -> None:
    """One task for each three words."""
    tasks = list(zip(words[::3], words[1::3], words[2::3], strict=True))
    with DAG("deferred", schedule=None) as dag:
        for name, _, _ in tasks:
            EmptyOperator(task_id=name)
    dag.fileloc, dag.relative_fileloc = str(Path(__file__)), "deferred.py"
    with create_session() as session:
        session.add(DagBundleModel(name="releases"))
        Variable.set("known", "a value of the database", session=session)
    found = [LazyDeserializedDAG.from_dag(dag)]
    with create_session() as session:
        update_dag_parsing_results_in_db("releases", "one", found, {}, 0.1, set(), session)
    with create_session() as session:
        stored = DBDagBag().get_latest_version_of_dag("deferred", session=session)
        assert stored
        run = stored.create_dagrun(
            run_id="run", logical_date=None, run_after=timezone.utcnow(), data_interval=None,
            run_type=DagRunType.MANUAL, triggered_by=DagRunTriggeredByType.REST_API,
            state=DagRunState.RUNNING, session=session,
        )  # fmt: skip
        for name, classpath, kwargs in tasks:
            trigger = Trigger(classpath=classpath, kwargs={})
            trigger.encrypted_kwargs = kwargs
            session.add(trigger)
            session.flush()
            instance = run.get_task_instance(name, session=session)
            assert instance
            instance.state = TaskInstanceState.DEFERRED
            instance.trigger_id = trigger.id
            instance.next_method = "execute"


def states() -> dict[str, Any]:
    """Task → its state and what it resumes with."""
    with create_session() as session:
        return {
            each.task_id: [str(each.state), each.next_method, json.dumps(each.next_kwargs)]
            for each in session.scalars(select(TaskInstance))
        }


if __name__ == "__main__":
    if sys.argv[1] == "make":
        make(*sys.argv[2:])
    print(json.dumps(states()))
