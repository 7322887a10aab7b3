"""Commands that change the whole database take turns, and old history is deleted."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from waiting import PATIENCE_SECONDS, eventually, slowness

from airflow_on_fargate.celery import result_backend
from airflow_on_fargate.database import owner, turn
from airflow_on_fargate.database.cleaning import clean_results
from airflow_on_fargate.database.roles import connected
from airflow_on_fargate.schema import alembic_heads
from tests.integration.image.conftest import ROOT, database_of_airflow

WAITS = "Waiting for another command that changes the database"
NOW = datetime.now(UTC)
OLD = NOW - timedelta(days=40)
BEFORE = (NOW - timedelta(days=30)).isoformat()


class Image:
    """The image's entrypoint, with a database that it has migrated."""

    def __init__(self, master: Any) -> None:
        self.master = master
        self.url = master.set(username="airflow_app", password="third")
        owner.ensure(master, self.url)
        self.results = master.set(
            username="result_backend", password="second", database="result_backend"
        )
        self._environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT / "images/airflow/src"),
            "PYTHONUNBUFFERED": "1",
            "AIRFLOW_HOME": tempfile.mkdtemp(prefix="airflow-home-"),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": self.text,
            "AIRFLOW__CELERY__RESULT_BACKEND": "db+"
            + self.results.render_as_string(hide_password=False),
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    @property
    def results_as_owner(self) -> Any:
        return self.master.set(database="result_backend")

    @property
    def text(self) -> str:
        return str(self.url.render_as_string(hide_password=False))

    def start(self, *command: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "airflow_on_fargate.entrypoint", *command],
            env=self._environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    def run(self, *command: str) -> tuple[int, str]:
        process = self.start(*command)
        output, _ = process.communicate(timeout=PATIENCE_SECONDS)
        return process.returncode, output

    def matches(self) -> bool:
        return alembic_heads.mismatch(self.text) is None


@pytest.fixture(scope="module")
def image(postgres: Any) -> Iterator[Image]:
    with database_of_airflow(postgres) as url:
        yield Image(url)


def waiting_for_a_lock(image: Image) -> int:
    """How many sessions wait for an advisory lock."""
    with connected(image.url) as connection:
        waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        return int(connection.exec_driver_sql(waiting).scalar_one())


def test_migration_waits_when_the_schema_is_being_changed(image: Image) -> None:
    with turn.taken(image.text):
        process = image.start("db", "migrate")
        assert process.stdout is not None
        assert process.stdout.readline().strip() == WAITS
        # It logs this before it imports Airflow, and holds no lock.
        eventually(lambda: waiting_for_a_lock(image))
        assert process.poll() is None
        assert not any(alembic_heads.found_heads(image.text).values())
    output, _ = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 0, output
    assert image.matches()


def test_old_history_is_deleted_from_both_databases(image: Image) -> None:
    result_backend.ensure(image.master, image.results)
    with connected(image.url) as connection:
        for event, moment in (("old", OLD), ("new", NOW)):
            connection.exec_driver_sql(
                "INSERT INTO log (dttm, event) VALUES (%s, %s)", (moment, event)
            )
    with connected(image.results_as_owner) as connection:
        for number, moment in ((1, OLD), (2, NOW)):
            connection.exec_driver_sql(
                "INSERT INTO task_results VALUES (%s, 'SUCCESS', %s)", (f"task-{number}", moment)
            )

    code, output = image.run("clean-database", BEFORE)

    assert code == 0, output
    assert "Deleted 1 Celery results from before" in output.splitlines()[-1]
    with connected(image.url) as connection:
        events = "SELECT event FROM log WHERE event IN ('old', 'new')"
        assert connection.exec_driver_sql(events).scalars().all() == ["new"]
    with connected(image.results_as_owner) as connection:
        tasks = connection.exec_driver_sql("SELECT task_id FROM task_results").scalars()
        assert tasks.all() == ["task-2"]


def test_cleaning_fails_loudly_when_one_table_cannot_be_cleaned(image: Image) -> None:
    result_backend.ensure(image.master, image.results)
    with connected(image.url) as connection, connected(image.results_as_owner) as results:
        connection.exec_driver_sql("ALTER TABLE log RENAME COLUMN dttm TO moment")
        results.exec_driver_sql("INSERT INTO task_results VALUES ('x', 'SUCCESS', %s)", (OLD,))
        code, output = image.run("clean-database", BEFORE)
        connection.exec_driver_sql("ALTER TABLE log RENAME COLUMN moment TO dttm")

    assert code == 1, output
    assert "'airflow db clean' ended with exit code 1" in output
    # A failure in one does not prevent cleaning the other.
    assert "Deleted 1 Celery results" in output


@pytest.mark.parametrize(
    "command", [("clean-database", BEFORE), ("db", "clean", "--yes", "--dry-run")]
)
def test_nothing_is_deleted_when_the_schema_changed_during_the_wait(
    image: Image, command: tuple[str, ...]
) -> None:
    with connected(image.url) as connection:
        before = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = 'newer'")
        code, output = image.run(*command)
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = %s", (before,))

    assert code == 1
    assert "The schema is not the one that this image needs" in output


def test_results_are_deleted_in_batches(image: Image) -> None:
    result_backend.ensure(image.master, image.results)
    with connected(image.results_as_owner) as connection:
        connection.exec_driver_sql(
            "INSERT INTO task_results SELECT n, 'SUCCESS', %s FROM generate_series(1000, 1022) n",
            (OLD,),
        )
        assert clean_results(connection, NOW - timedelta(days=30), batch=10) == 23


def test_turn_is_released_when_its_process_is_killed(image: Image, tmp_path: Path) -> None:
    program = (
        "import sys, time; from airflow_on_fargate.database import turn\n"
        "with turn.taken(sys.argv[1]): print('taken', flush=True); time.sleep(600)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, image.text], stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "images/airflow/src")},
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "taken\n"
    process.kill()
    process.wait(PATIENCE_SECONDS)
    begun = time.monotonic()
    with turn.taken(image.text):
        assert time.monotonic() - begun < 10 * slowness()
