"""What a recording repeats needlessly is left out, and nothing else."""

from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.fab.auth_manager.models import Action, Model, Permission, Resource
from sqlalchemy import create_engine, delete, event
from sqlalchemy.orm import Session

from airflow_on_fargate import patches
from airflow_on_fargate.patches.dag_processor import recording_cost


@pytest.fixture
def session() -> Session:
    engine = create_engine("sqlite://")
    Model.metadata.create_all(engine)
    return Session(engine)


def synchronize(dag_id: str, session: Session, access_control: Any = None) -> bool:
    """Whether FAB's own function ran."""
    ran: list[str] = []
    dag = SimpleNamespace(dag_id=dag_id, access_control=access_control)
    recording_cost._where_needed(lambda dag, session: ran.append(dag.dag_id))(dag, session)
    return bool(ran)


def permissions(session: Session) -> list[str]:
    return sorted(f"{one.action.name} {one.resource.name}" for one in session.query(Permission))


def by_fab(dag_id: str) -> list[str]:
    """The permissions that FAB creates."""
    from airflow.providers.fab.www.security_appless import ApplessAirflowSecurityManager

    engine = create_engine("sqlite://")
    Model.metadata.create_all(engine)
    with Session(engine) as session:
        ApplessAirflowSecurityManager(session=session).sync_perm_for_dag(dag_id, None)
        return permissions(session)


def test_new_dag_gets_the_permissions_that_fab_gives(session: Session) -> None:
    for dag_id in ("a", "b", "a"):
        assert not synchronize(dag_id, session)
    assert permissions(session) == sorted(by_fab("a") + by_fab("b"))


def test_permissions_belong_to_the_transaction_of_the_recording(session: Session) -> None:
    synchronize("a", session)
    session.rollback()
    assert permissions(session) == []


def test_known_permissions_take_one_query(session: Session) -> None:
    synchronize("a", session)
    statements: list[str] = []
    event.listen(
        session.get_bind(), "before_cursor_execute", lambda *values: statements.append(values[2])
    )
    synchronize("a", session)
    assert len(statements) == 1


@pytest.mark.parametrize("kinds", [(Permission,), (Permission, Resource, Action)])
def test_missing_permission_is_created_again(session: Session, kinds: Any) -> None:
    synchronize("a", session)
    for kind in kinds:
        session.execute(delete(kind))
    synchronize("a", session)
    assert permissions(session) == by_fab("a")


def test_access_control_is_always_synchronized_by_fab(session: Session) -> None:
    assert synchronize("a", session, {"Viewer": {"DAGs": {"can_read"}}})
    assert synchronize("a", session, {})


def test_timetable_is_built_once_for_the_same_data() -> None:
    from airflow.sdk import DAG
    from airflow.serialization.serialized_objects import DagSerialization, LazyDeserializedDAG
    from pendulum import datetime

    patches.apply("dag_processor.recording_cost")
    patches.apply("dag_processor.recording_cost")

    def data(schedule: str) -> dict[str, Any]:
        return DagSerialization.to_dict(
            DAG("d", schedule=schedule, start_date=datetime(2026, 1, 1))
        )

    dag = LazyDeserializedDAG(data=data("@daily"))
    assert dag.timetable is dag.timetable
    assert dag.timetable.summary == "0 0 * * *"
    copied = dag.model_copy(update={"data": data("@hourly")})
    assert copied.timetable.summary == "0 * * * *"
    assert dag.timetable.summary == "0 0 * * *"
    assert set(dag.model_dump()) == {"data", "last_loaded"}
