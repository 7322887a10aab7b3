"""A release that leaves a file as it is becomes the release of the file's DAGs, on PostgreSQL."""

import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

NOW = datetime(2026, 3, 1, tzinfo=UTC)
PAST, FUTURE = NOW - timedelta(days=1), datetime(2100, 1, 1, tzinfo=UTC)


@pytest.fixture
def dags(engine: Any) -> Any:
    """Insert a DAG of a file, with versions in these releases."""
    from airflow.models.base import Base
    from sqlalchemy import insert

    def add(table: str, **values: Any) -> None:
        with engine.begin() as connection:
            connection.execute(insert(Base.metadata.tables[table]).values(**values))

    for name in ("releases", "other"):
        add("dag_bundle", name=name)

    def dag(dag_id: str, path: str, *versions: str, **values: Any) -> None:
        row = {
            "dag_id": dag_id, "relative_fileloc": path, "is_paused": False, "is_stale": False,
            "has_import_errors": False, "bundle_name": "releases",
            "bundle_version": versions[-1] if versions else "r1", "max_active_tasks": 1,
            "max_consecutive_failed_dag_runs": 0, "has_task_concurrency_limits": False,
            "fail_fast": False,
        }  # fmt: skip
        add("dag", **row | values)
        for number, release in enumerate(versions, 1):
            add(
                "dag_version", id=uuid.uuid4(), dag_id=dag_id, version_number=number,
                bundle_name="releases", bundle_version=release, created_at=NOW, last_updated=NOW,
            )  # fmt: skip

    return dag


@pytest.fixture
def rows() -> Any:
    from airflow_on_fargate.releases.settled_rows import DagRows

    return DagRows("releases")


def releases(engine: Any) -> dict[str, list[str]]:
    """The release of each DAG, and of each of its versions."""
    with engine.begin() as connection:
        found = connection.exec_driver_sql(
            "SELECT dag.dag_id, dag.bundle_version, array_agg(v.bundle_version ORDER BY"
            " v.version_number) FROM dag LEFT JOIN dag_version v USING (dag_id) GROUP BY 1, 2"
        )
        return {dag_id: [release, *filter(None, versions)] for dag_id, release, versions in found}


def test_only_the_latest_version_of_complete_files_is_moved(
    engine: Any, dags: Any, rows: Any
) -> None:
    dags("a", "a.py", "r0", "r1")
    dags("b1", "b.py", "r1")
    dags("b2", "b.py", "r1")
    dags("c", "c.py", "r0", "r1")
    assert rows.move({"a.py": 1, "b.py": 2, "none.py": 0}, "r1", "r2") == {
        "a.py", "b.py", "none.py",
    }  # fmt: skip
    assert releases(engine) == {
        "a": ["r2", "r0", "r2"], "b1": ["r2", "r2"], "b2": ["r2", "r2"], "c": ["r1", "r0", "r1"],
    }  # fmt: skip


@pytest.mark.parametrize(
    "values",
    [
        {"is_stale": True},
        {"has_import_errors": True},
        {"bundle_version": "r0"},
        {"bundle_name": "other"},
        {"relative_fileloc": "moved.py"},
    ],
)
def test_nothing_of_a_file_is_moved_when_one_of_its_dags_differs(
    engine: Any, dags: Any, rows: Any, values: dict[str, Any]
) -> None:
    dags("a1", "a.py", "r1")
    dags("a2", "a.py", "r1", **values)
    before = releases(engine)
    assert rows.move({"a.py": 2}, "r1", "r2") == set()
    assert releases(engine) == before


def test_nothing_is_moved_when_the_latest_version_is_of_another_release(
    engine: Any, dags: Any, rows: Any
) -> None:
    dags("a", "a.py", "r1", "r0", bundle_version="r1")
    dags("b", "b.py")
    assert rows.move({"a.py": 1, "b.py": 1}, "r1", "r2") == set()
    assert releases(engine)["a"] == ["r1", "r1", "r0"]


def test_files_with_missing_dags_are_parsed(dags: Any, rows: Any) -> None:
    dags("a", "a.py", "r1")
    dags("b", "b.py", "r1", is_stale=True)
    dags("d", "d.py", "r1")
    numbers = {"a.py": 1, "b.py": 1, "c.py": 1, "d.py": 2, "none.py": 0}
    assert rows.to_parse(numbers) == {"b.py", "c.py", "d.py"}


def test_file_of_a_paused_dag_is_parsed_once_for_each_time_that_it_becomes_due(
    engine: Any, dags: Any, rows: Any
) -> None:
    dags("due", "due.py", "r1", is_paused=True, next_dagrun_create_after=PAST)
    dags("later", "later.py", "r1", is_paused=True, next_dagrun_create_after=FUTURE)
    dags("runs", "runs.py", "r1", next_dagrun_create_after=PAST)
    numbers = {"due.py": 1, "later.py": 1, "runs.py": 1}
    assert rows.to_parse(numbers) == {"due.py"}
    assert rows.to_parse(numbers) == set()
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE dag SET next_dagrun_create_after = next_dagrun_create_after + interval '1 h'"
        )
    assert rows.to_parse(numbers) == {"due.py"}


def test_dag_that_is_not_parsed_again_does_not_become_stale(engine: Any, dags: Any) -> None:
    from airflow.dag_processing.manager import DagFileInfo, DagFileProcessorManager
    from airflow.utils.session import create_session

    dags("a", "a.py", "r1", last_parsed_time=PAST)
    file = DagFileInfo(rel_path=Path("a.py"), bundle_name="releases")
    manager = DagFileProcessorManager(max_runs=1)

    def is_stale_after(finished: datetime) -> bool:
        with create_session(scoped=False) as session:
            manager.deactivate_stale_dags(last_parsed={file: finished}, session=session)
        with engine.begin() as connection:
            return bool(connection.exec_driver_sql("SELECT is_stale FROM dag").scalar_one())

    # The parse of a settled file stays the last one, however long ago it was.
    assert not is_stale_after(PAST + timedelta(seconds=1))
    assert is_stale_after(PAST + timedelta(days=1))


def test_a_lock_delays_the_loop_only_for_seconds(engine: Any, dags: Any, rows: Any) -> None:
    from sqlalchemy.exc import OperationalError

    dags("a", "a.py", "r1")
    with engine.begin() as connection:
        connection.exec_driver_sql("SELECT * FROM dag FOR UPDATE")
        with pytest.raises(OperationalError, match="lock timeout"):
            rows.move({"a.py": 1}, "r1", "r2")
    assert rows.move({"a.py": 1}, "r1", "r2") == {"a.py"}
