"""Queries of Airflow's tables about releases, on a real PostgreSQL."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

NOW = datetime(2026, 3, 1, tzinfo=UTC)


class Rows:
    """Inserts rows with only the columns that they need."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine

    def insert(self, table: str, **values: Any) -> None:
        from airflow.models.base import Base
        from sqlalchemy import insert

        with self._engine.begin() as connection:
            connection.execute(insert(Base.metadata.tables[table]).values(**values))

    def bundle(self) -> None:
        self.insert("dag_bundle", name="releases")

    def dag(self, dag_id: str, release: str, stale: bool = False) -> None:
        self.insert(
            "dag", dag_id=dag_id, is_paused=False, is_stale=stale, bundle_name="releases",
            bundle_version=release, max_active_tasks=1, max_consecutive_failed_dag_runs=0,
            has_task_concurrency_limits=False, fail_fast=False,
        )  # fmt: skip

    def version(self, dag_id: str, number: int, release: str) -> Any:
        identity = uuid.uuid4()
        self.insert(
            "dag_version", id=identity, dag_id=dag_id, version_number=number,
            bundle_name="releases", bundle_version=release, created_at=NOW, last_updated=NOW,
        )  # fmt: skip
        return identity

    def run(self, dag_id: str, release: str | None, ended: datetime | None, version: Any) -> str:
        run_id = uuid.uuid4().hex
        self.insert(
            "dag_run", dag_id=dag_id, run_id=run_id, run_type="manual", run_after=NOW,
            state="success" if ended else "running", end_date=ended, bundle_version=release,
            created_dag_version_id=version, log_template_id=None, clear_number=0,
        )  # fmt: skip
        return run_id

    def task(self, dag_id: str, run_id: str, version: Any) -> None:
        self.insert(
            "task_instance", id=uuid.uuid4(), task_id="t", dag_id=dag_id, run_id=run_id,
            map_index=-1, pool="default_pool", pool_slots=1, try_number=1, max_tries=0,
            dag_version_id=version,
        )  # fmt: skip


@pytest.fixture
def rows(engine: Any) -> Rows:
    rows = Rows(engine)
    rows.bundle()
    return rows


@pytest.fixture
def database() -> Any:
    from airflow_on_fargate.releases.usage import AirflowDatabase

    return AirflowDatabase("releases")


def test_names_every_release_in_use(rows: Rows, database: Any) -> None:
    rows.dag("a", "current")
    rows.dag("gone", "only-of-a-stale-dag", stale=True)
    first = rows.version("a", 1, "parsed-later")
    second = rows.version("a", 2, "parsed-last")
    week, day = NOW - timedelta(days=7), NOW - timedelta(days=1)
    rows.run("a", "old", week, first)
    rows.run("a", "old", day, first)
    rows.run("a", "open", None, second)
    rows.run("a", "open", week, second)
    # Not pinned: uses the current release.
    rows.run("a", None, day, first)
    assert database.releases_in_use() == {
        "current": None, "old": day, "parsed-later": day, "open": None, "parsed-last": None,
    }  # fmt: skip


def test_names_the_release_that_a_task_of_an_open_run_was_parsed_from(
    rows: Rows, database: Any
) -> None:
    rows.dag("a", "current")
    first, second = rows.version("a", 1, "first"), rows.version("a", 2, "second")
    run_id = rows.run("a", "first", None, first)
    rows.task("a", run_id, second)
    assert database.releases_in_use()["second"] is None


def test_gives_up_when_the_database_does_not_answer(
    engine: Any, rows: Rows, database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sqlalchemy.exc import OperationalError

    from airflow_on_fargate.releases import usage

    monkeypatch.setattr(usage, "_STATEMENT_TIMEOUT", "200ms")
    with engine.begin() as connection:
        connection.exec_driver_sql("LOCK TABLE dag_run IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(OperationalError, match="statement timeout"):
            database.releases_in_use()


def test_reads_only_import_errors_of_its_own_bundle(rows: Rows, database: Any) -> None:
    rows.insert(
        "import_error", filename="b.py", bundle_name="releases", timestamp=NOW, stacktrace="E: x"
    )
    rows.insert(
        "import_error", filename="a.py", bundle_name="releases", timestamp=NOW, stacktrace=None
    )
    rows.insert(
        "import_error", filename="c.py", bundle_name="others", timestamp=NOW, stacktrace="E: x"
    )
    found = database.import_errors()
    assert [(each.path, each.at, each.stacktrace) for each in found] == [
        ("a.py", NOW, ""), ("b.py", NOW, "E: x"),
    ]  # fmt: skip
