"""Keep a run from getting the tasks of one release and the code of the next.

The API server reads a DAG, and a moment later writes a run with its tasks and with the release that
is current by then; a parse that is recorded in between makes a run whose tasks its release may not
have. A parse locks the DAG's row to write: this patch locks that row first and reads the DAG again.
The scheduler holds this lock already. No upstream report is known.
"""

from typing import Any

from airflow_on_fargate.patches import replace, require


def apply() -> None:
    """Read the DAG again under its row's lock when a run is created."""
    require("apache-airflow", "3.3.2", "3.2.2")
    from airflow.serialization.definitions import dag as definitions

    replace(definitions, "_create_orm_dagrun", _of_the_newest_dag)


def _of_the_newest_dag(original: Any) -> Any:
    def _create_orm_dagrun(*, dag: Any, session: Any, **named: Any) -> Any:
        from airflow.models.dag import DagModel
        from airflow.models.serialized_dag import SerializedDagModel
        from sqlalchemy import select

        row = select(DagModel.dag_id).where(DagModel.dag_id == dag.dag_id)
        session.execute(row.with_for_update(read=True))
        newest = SerializedDagModel.latest_item_select_object(dag.dag_id)
        # The session must not answer with what it has read before.
        found = session.scalar(newest, execution_options={"populate_existing": True})
        if found:
            found._SerializedDagModel__data_cache = None
            dag = found.dag
        return original(dag=dag, session=session, **named)

    return _create_orm_dagrun
