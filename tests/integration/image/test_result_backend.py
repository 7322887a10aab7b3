"""The result backend's own database and user, on a real PostgreSQL."""

import threading
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError, ProgrammingError

from airflow_on_fargate.celery import result_backend
from airflow_on_fargate.celery.result_backend import ResultBackendError, ensure
from airflow_on_fargate.celery.results import url_for
from airflow_on_fargate.database import owner
from airflow_on_fargate.database.roles import RoleError, connected, set_password
from tests.integration.image.conftest import make_former_backend


@pytest.mark.parametrize("user", result_backend.USERS)
def test_celery_stores_end_states_with_the_rights_of_its_user(
    metadata: Any, airflow: Any, results: Any, user: str
) -> None:
    ensure(metadata, results)
    worker = backend_of({"AIRFLOW__CELERY__RESULT_BACKEND": "db+" + text(results, username=user)})
    scheduler = backend_of(
        {
            "AIRFLOW__CELERY__RESULT_BACKEND": "db+" + text(results),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": text(airflow),
        }
    )

    worker.store_result("id-1", {"answer": 42}, "STARTED")
    assert scheduler.get_state("id-1") == "PENDING"
    worker.store_result("id-1", {"answer": 42}, "SUCCESS")
    assert scheduler.get_state("id-1") == "SUCCESS"
    assert scheduler.get_result("id-1") is None
    # The first end state counts.
    worker.store_result("id-1", ValueError("a reason"), "FAILURE")
    assert scheduler.get_state("id-1") == "SUCCESS"


def test_worker_waits_when_all_connections_of_its_user_are_in_use(
    metadata: Any, results: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ensure(metadata, results)
    kept = [connected(results) for _ in range(result_backend.MOST_CONNECTIONS)]
    monkeypatch.setattr("time.sleep", lambda _: kept.pop().close())
    worker = backend_of({"AIRFLOW__CELERY__RESULT_BACKEND": "db+" + text(results)})

    worker.store_result("id-1", None, "SUCCESS")

    assert len(kept) < result_backend.MOST_CONNECTIONS
    for connection in kept:
        connection.close()


def test_worker_of_the_former_version_reports_during_and_after_the_update(
    metadata: Any, results: Any
) -> None:
    """It may have been started meanwhile, and neither waits for a connection nor knows a limit."""
    ensure(metadata, results)
    make_former_backend(metadata, results)
    ensure(metadata, results)
    row = (
        "INSERT INTO celery_taskmeta (id, task_id, status)"
        " VALUES (nextval('task_id_sequence'), %s, 'STARTED')"
    )
    many = [connected(results) for _ in range(result_backend.MOST_CONNECTIONS + 5)]
    for number, connection in enumerate(many):
        connection.exec_driver_sql(row, (str(number),))
        connection.exec_driver_sql("UPDATE celery_taskmeta SET status = 'SUCCESS'")
        connection.close()

    with connected(metadata.set(database="result_backend")) as connection:
        states = connection.exec_driver_sql("SELECT status FROM task_states").scalars().all()
    assert states == ["SUCCESS"] * len(many)


def test_worker_of_this_version_reports_while_its_rights_are_set_again(
    metadata: Any, results: Any
) -> None:
    ensure(metadata, results)
    stop, problems = threading.Event(), []

    def report() -> None:
        number = 0
        with connected(results) as connection:
            while not stop.is_set():
                number += 1
                try:
                    connection.exec_driver_sql(
                        "INSERT INTO task_results (task_id, status) VALUES (%s, 'SUCCESS')",
                        (str(number),),
                    )
                except Exception as error:
                    problems.append(str(error))

    thread = threading.Thread(target=report)
    thread.start()
    for _ in range(5):
        ensure(metadata, results)
    stop.set()
    thread.join()

    assert problems == []


def backend_of(environment: dict[str, str]) -> Any:
    from celery import Celery

    config = {"result_backend": url_for(environment), "database_create_tables_at_setup": False}
    return Celery(config_source=config).backend


def text(url: Any, **changes: str) -> str:
    return str(url.set(**changes).render_as_string(hide_password=False))


@pytest.mark.parametrize("user", result_backend.USERS)
def test_result_user_cannot_connect_to_the_metadata_database(metadata: Any, user: str) -> None:
    # Before, it can connect: that is PostgreSQL's default for every user.
    with connected(metadata) as connection:
        set_password(connection, user, "second")
    inside = metadata.set(username=user, password="second")
    connected(inside).close()

    owner.ensure(metadata, metadata.set(username="airflow_app", password="third"))
    ensure(metadata, inside.set(database="result_backend"))

    with pytest.raises(OperationalError, match="permission denied for database"):
        connected(inside)


def test_result_user_cannot_create_tables(metadata: Any, results: Any) -> None:
    ensure(metadata, results)

    for statement in ("CREATE TABLE mine (x int)", "CREATE ROLE friend", "CREATE DATABASE mine"):
        with (
            connected(results) as connection,
            pytest.raises(ProgrammingError, match="permission denied"),
        ):
            connection.exec_driver_sql(statement)


def test_repeating_it_keeps_all_results(metadata: Any, results: Any) -> None:
    ensure(metadata, results)
    with connected(results) as connection:
        connection.exec_driver_sql(
            "INSERT INTO task_results (task_id, status) VALUES ('a', 'SUCCESS')"
        )

    said = ensure(metadata, results)

    with connected(metadata.set(database="result_backend")) as connection:
        assert connection.exec_driver_sql("SELECT task_id FROM task_states").scalar() == "a"
    assert "second" not in said


def test_only_the_user_in_the_url_gets_its_password_during_a_rotation(
    metadata: Any, results: Any
) -> None:
    ensure(metadata, results)
    moved = results.set(username="result_backend_2", password="third")

    ensure(metadata, moved)

    # A worker that started before the rotation can still report results.
    connected(results).close()
    connected(moved).close()


def test_no_statement_contains_the_password(metadata: Any, results: Any, postgres: Any) -> None:
    postgres.execute("ALTER SYSTEM SET log_statement = 'all'; SELECT pg_reload_conf();")

    ensure(metadata, results)

    log = (postgres.directory.parent / f"{postgres.directory.name}.log").read_text()
    assert "CREATE ROLE" in log
    assert "second" not in log.replace("seconds", "")
    postgres.execute("ALTER SYSTEM RESET log_statement; SELECT pg_reload_conf();")


def test_error_quotes_no_statement_when_a_password_cannot_be_set(
    metadata: Any, results: Any
) -> None:
    ensure(metadata, results)
    with connected(results) as connection, pytest.raises(RoleError) as caught:
        set_password(connection, "airflow", "third")
    assert "permission denied" in str(caught.value)
    assert "SCRAM" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"username": "airflow"}, "must be one of"),
        ({"database": "airflow"}, "must not be the metadata database"),
    ],
)
def test_url_of_the_metadata_database_is_refused(
    metadata: Any, results: Any, change: dict[str, str], complaint: str
) -> None:
    with pytest.raises(ResultBackendError, match=complaint):
        ensure(metadata, results.set(**change))
