"""What code with Airflow's database URL can do: the dag-processor runs DAG files with it.

And how a database in which the master user owns everything changes hands while Airflow runs.
"""

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy.exc import DBAPIError, OperationalError

from airflow_on_fargate.celery import result_backend
from airflow_on_fargate.database import owner, users
from airflow_on_fargate.database.roles import RoleError, connected, opens
from airflow_on_fargate.rotation.context import RotationContext
from tests.integration.image.conftest import ROOT, database_of_airflow

sys.path.append(str(ROOT / "tests" / "unit" / "image" / "rotation"))
from rotation_doubles import context

# The newest heads of Airflow 3.2's tables.
OLDER = "1d6611b6ab7c"


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE ROLE friend LOGIN SUPERUSER",
        "CREATE ROLE friend LOGIN",
        "CREATE DATABASE mine",
        "ALTER ROLE airflow PASSWORD 'mine'",
        "ALTER ROLE result_backend PASSWORD 'mine'",
        "SET ROLE airflow",
        "RESET ROLE; SET ROLE airflow",
        "SET SESSION AUTHORIZATION airflow",
        "SELECT * FROM pg_authid",
        "GRANT pg_read_server_files TO airflow_app",
        "COPY (SELECT 1) TO PROGRAM 'id'",
        "DROP DATABASE airflow",
        "DROP DATABASE result_backend",
        "ALTER DATABASE airflow OWNER TO airflow_app",
        "DROP ROLE airflow_app_2",
    ],
)
def test_user_of_airflow_cannot_administer_the_server(
    metadata: Any, airflow: Any, results: Any, statement: str
) -> None:
    result_backend.ensure(metadata, results)
    with connected(airflow) as connection, pytest.raises(DBAPIError) as refused:
        connection.exec_driver_sql(statement)
    text = str(refused.value.orig)
    assert "permission denied" in text or "must be" in text or "cannot drop the" in text, text


@pytest.mark.parametrize("user", ["airflow", "result"])
@pytest.mark.parametrize("database", ["postgres", "template1"])
def test_users_cannot_connect_to_other_databases(
    metadata: Any, airflow: Any, results: Any, database: str, user: str
) -> None:
    result_backend.ensure(metadata, results)
    url = airflow if user == "airflow" else results
    with pytest.raises(OperationalError, match="permission denied for database"):
        connected(url.set(database=database))


def test_function_of_airflow_does_not_run_as_the_master_user(metadata: Any, airflow: Any) -> None:
    with connected(airflow) as connection:
        for statement in (
            "CREATE TABLE ran (as_user text)",
            "GRANT ALL ON ran TO PUBLIC",
            "CREATE FUNCTION public.trap(name, text) RETURNS boolean LANGUAGE sql VOLATILE AS"
            " $$ INSERT INTO public.ran VALUES (session_user) RETURNING true $$",
            "CREATE OPERATOR public.= (LEFTARG = name, RIGHTARG = text, FUNCTION = public.trap)",
            "CREATE FUNCTION public.set_config(text, text) RETURNS text LANGUAGE sql VOLATILE AS"
            " $$ INSERT INTO public.ran VALUES (session_user) RETURNING 'x' $$",
        ):
            connection.exec_driver_sql(statement)

    owner.ensure(metadata, airflow)

    with connected(airflow) as connection:
        rows = connection.exec_driver_sql("SELECT as_user FROM ran").scalars().all()
    assert "airflow" not in rows


def test_url_of_the_master_user_is_refused(metadata: Any) -> None:
    with pytest.raises(RoleError, match="must be one of"):
        owner.ensure(metadata, metadata)


def test_only_the_user_in_the_url_gets_its_password_during_a_rotation(
    metadata: Any, airflow: Any
) -> None:
    moved = airflow.set(username="airflow_app_2", password="fourth")
    owner.ensure(metadata, moved)
    assert opens(airflow)
    assert opens(moved)


def test_tables_change_hands_while_a_task_of_the_former_version_runs(metadata: Any) -> None:
    airflow = metadata.set(username="airflow_app", password="third")
    stop = threading.Event()
    problems: list[BaseException] = []

    def run() -> None:
        """The former version's scheduler: transactions that hold the table for a while."""
        try:
            with connected(metadata) as connection:
                while not stop.is_set():
                    connection.exec_driver_sql("BEGIN")
                    connection.exec_driver_sql("INSERT INTO connection VALUES ('x')")
                    time.sleep(0.2)
                    connection.exec_driver_sql("DELETE FROM connection")
                    connection.exec_driver_sql("COMMIT")
        except BaseException as error:
            problems.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert owner.ensure(metadata, airflow).endswith("1 tables and types changed hands.")
        time.sleep(0.5)
    finally:
        stop.set()
        thread.join()

    assert problems == []
    # A rollback's migration, by the former version's user.
    with connected(metadata) as connection:
        connection.exec_driver_sql("ALTER TABLE connection ADD COLUMN former int")
        connection.exec_driver_sql("CREATE TABLE of_the_former_version (x int)")
    assert owner.ensure(metadata, airflow).endswith("1 tables and types changed hands.")
    with connected(airflow) as connection:
        connection.exec_driver_sql("ALTER TABLE of_the_former_version DROP COLUMN x")
    assert owner.ensure(metadata, airflow).endswith("0 tables and types changed hands.")


def test_table_that_stays_locked_is_reported(metadata: Any) -> None:
    with connected(metadata) as holder, owner.administering(metadata) as connection:
        connection.exec_driver_sql(f"CREATE ROLE {owner.OWNER}")
        connection.exec_driver_sql(f"GRANT {owner.OWNER} TO CURRENT_USER WITH SET TRUE")
        connection.exec_driver_sql(f"GRANT CREATE ON SCHEMA public TO {owner.OWNER}")
        holder.exec_driver_sql("BEGIN")
        holder.exec_driver_sql("LOCK connection")
        with pytest.raises(DBAPIError, match="lock timeout"):
            owner.hand_over(connection, most_seconds=1)


def test_command_makes_both_users_with_the_master_password_of_its_secret(
    metadata: Any, results: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    airflow = metadata.set(username="airflow_app", password="third")
    texts = [url.render_as_string(hide_password=False) for url in (airflow, results)]
    found = context(lambda: None, database_url=texts[0], database_master_password="first")
    monkeypatch.setattr(RotationContext, "from_environment", lambda: found)
    # All that the container has: neither URL is the master user's.
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", texts[0])
    monkeypatch.setenv("AIRFLOW__CELERY__RESULT_BACKEND", f"db+{texts[1]}")

    assert users.main() == 0

    assert opens(airflow)
    assert opens(results)
    said = capsys.readouterr().out
    assert [word for word in ("first", "second", "third") if word in said] == []


@pytest.fixture
def empty(postgres: Any) -> Iterator[Any]:
    with database_of_airflow(postgres) as url:
        yield url


def test_airflow_migrates_down_and_up_with_its_own_user(empty: Any) -> None:
    run(empty, "db", "migrate")
    airflow = empty.set(username="airflow_app", password="third")
    owner.ensure(empty, airflow)

    run(airflow, "db", "downgrade", "--yes", "--to-revision", OLDER)
    run(airflow, "db", "migrate")

    with connected(airflow) as connection:
        others = "SELECT tablename FROM pg_tables WHERE tableowner <> %s AND schemaname = 'public'"
        assert connection.exec_driver_sql(others, (owner.OWNER,)).scalars().all() == []


def run(url: Any, *words: str) -> None:
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT / "images/airflow/src"),
        "AIRFLOW_HOME": tempfile.mkdtemp(prefix="airflow-home-"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": url.render_as_string(hide_password=False),
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    done = subprocess.run(
        [sys.executable, "-m", "airflow_on_fargate.entrypoint", *words],
        env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
