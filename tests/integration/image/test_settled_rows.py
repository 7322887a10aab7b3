"""A release that leaves a file as it is becomes the release of the file's DAGs, on PostgreSQL."""

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from airflow_on_fargate.releases.settled import Parse

NOW = datetime(2026, 3, 1, tzinfo=UTC)
PAST, FUTURE = NOW - timedelta(days=1), datetime(2100, 1, 1, tzinfo=UTC)
Add = Callable[..., None]


@pytest.fixture
def add(engine: Any) -> Add:
    """Insert a row."""
    from airflow.models.base import Base
    from sqlalchemy import insert

    def row(table: str, **values: Any) -> None:
        with engine.begin() as connection:
            connection.execute(insert(Base.metadata.tables[table]).values(**values))

    return row


@pytest.fixture
def dags(add: Add) -> Any:
    """Insert a DAG of a file, with versions in these releases, as `parse_of` wrote it."""

    for name in ("releases", "other"):
        add("dag_bundle", name=name)

    def dag(
        dag_id: str, path: str, *versions: str, parse: Parse | None = None, **values: Any
    ) -> None:
        row = {
            "dag_id": dag_id, "relative_fileloc": path, "is_paused": False, "is_stale": False,
            "has_import_errors": False, "bundle_name": "releases",
            "bundle_version": versions[-1] if versions else "r1", "max_active_tasks": 1,
            "max_consecutive_failed_dag_runs": 0, "has_task_concurrency_limits": False,
            "fail_fast": False, "last_parsed_time": NOW, "exceeds_max_non_backfill": False,
        }  # fmt: skip
        add("dag", **row | values)
        for number, release in enumerate(versions, 1):
            version = uuid.uuid4()
            add(
                "dag_version", id=version, dag_id=dag_id, version_number=number,
                bundle_name="releases", bundle_version=release, created_at=NOW, last_updated=NOW,
                version_data=(parse or parse_of(path)).as_version_data(),
            )  # fmt: skip
            add(
                "serialized_dag", id=uuid.uuid4(), dag_id=dag_id, created_at=NOW, last_updated=NOW,
                dag_hash="a", dag_version_id=version,
            )  # fmt: skip
            add(
                "dag_code", id=uuid.uuid4(), dag_id=dag_id, created_at=NOW, last_updated=NOW,
                fileloc=path, source_code="", source_code_hash="a", dag_version_id=version,
            )  # fmt: skip

    return dag


def parse_of(path: str, dags: int = 1) -> Parse:
    return Parse(f"of {path}", dags)


def parses(**dags: int) -> dict[str, Parse]:
    """By path, of files with these numbers of DAGs."""
    return {f"{stem}.py": parse_of(f"{stem}.py", number) for stem, number in dags.items()}


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
    dags("b1", "b.py", "r1", parse=parse_of("b.py", 2))
    dags("b2", "b.py", "r1", parse=parse_of("b.py", 2))
    dags("c", "c.py", "r0", "r1")
    assert rows.move(parses(a=1, b=2, none=0), "r1", "r2") == {"a.py", "b.py", "none.py"}
    assert releases(engine) == {
        "a": ["r2", "r0", "r2"], "b1": ["r2", "r2"], "b2": ["r2", "r2"], "c": ["r1", "r0", "r1"],
    }  # fmt: skip


OTHERWISE: list[dict[str, Any]] = [
    {"is_stale": True},
    {"has_import_errors": True},
    {"bundle_version": "r0"},
    {"bundle_name": "other"},
    {"relative_fileloc": "moved.py"},
    {"parse": parse_of("a.py", 1)},
    {"parse": Parse("of former content", 2)},
]


@pytest.mark.parametrize("values", OTHERWISE)
def test_file_is_parsed_and_not_moved_when_one_of_its_dags_differs(
    engine: Any, dags: Any, rows: Any, values: dict[str, Any]
) -> None:
    dags("a1", "a.py", "r1", parse=parse_of("a.py", 2))
    dags("a2", "a.py", "r1", **{"parse": parse_of("a.py", 2)} | values)
    before = releases(engine)
    assert rows.move(parses(a=2), "r1", "r2") == set()
    assert releases(engine) == before
    assert rows.to_parse(parses(a=2), "r1") == {"a.py"}
    assert "a.py" not in rows.recorded()


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM serialized_dag",
        "DELETE FROM dag_code",
        "DELETE FROM dag_version",
        "DELETE FROM dag",
        "UPDATE dag_version SET version_data = NULL",
        "UPDATE dag_version SET version_data = 'null'",
        """UPDATE dag_version SET version_data = '{"manifest": {}}'""",
        "UPDATE dag_version SET bundle_version = 'r0'",
        "UPDATE dag_version SET bundle_name = 'other'",
        "INSERT INTO import_error (filename, bundle_name, stacktrace)"
        " VALUES ('a.py', 'releases', 'The parse was killed.')",
    ],
)
def test_file_is_parsed_and_not_moved_when_something_in_the_database_is_gone_or_restored(
    engine: Any, dags: Any, rows: Any, statement: str
) -> None:
    dags("a", "a.py", "r1")
    dags("b", "b.py", "r1")
    assert rows.to_parse(parses(a=1, b=1), "r1") == set()
    assert set(rows.recorded()) == {"a.py", "b.py"}
    where = "" if statement.startswith("INSERT") else " WHERE dag_id = 'a'"
    with engine.begin() as connection:
        connection.exec_driver_sql(statement + where)
    assert rows.to_parse(parses(a=1, b=1), "r1") == {"a.py"}
    assert set(rows.recorded()) == {"b.py"}
    if not where:
        return
    assert rows.move(parses(a=1, b=1), "r1", "r2") == {"b.py"}


def test_error_of_another_bundle_or_of_a_version_that_stays_out_does_not_count(
    add: Add, dags: Any, rows: Any
) -> None:
    from airflow_on_fargate.import_error_rows import joined

    dags("a", "a.py", "r1")
    add("import_error", filename="a.py", bundle_name="other", stacktrace="ValueError")
    add("import_error", filename="a.py", bundle_name="releases", stacktrace=joined("", "too big"))
    assert rows.to_parse(parses(a=1), "r1") == set()


def test_file_without_dags_is_parsed_when_the_database_has_one(dags: Any, rows: Any) -> None:
    # Airflow makes the DAG stale at a later parse of the file.
    dags("former", "a.py", "r1")
    assert rows.to_parse(parses(a=0, b=0), "r1") == {"a.py"}
    assert rows.move(parses(a=0, b=0), "r1", "r2") == {"b.py"}


def test_file_of_which_one_dag_is_left_over_is_parsed(dags: Any, rows: Any) -> None:
    dags("kept", "a.py", "r2")
    dags("removed", "a.py", "r1")
    assert rows.to_parse(parses(a=1), "r2") == {"a.py"}
    assert rows.recorded() == {}


def test_what_was_recorded_has_its_release_and_time(dags: Any, rows: Any) -> None:
    from airflow_on_fargate.releases.settled import Recorded

    for number, at in enumerate((PAST, NOW)):
        dags(f"a{number}", "a.py", "r0", "r1", parse=parse_of("a.py", 2), last_parsed_time=at)
    dags("b", "b.py", "r2")
    dags("never", "never.py", "r2", last_parsed_time=None)
    assert rows.recorded() == {
        "a.py": Recorded(parse_of("a.py", 2), "r1", NOW),
        "b.py": Recorded(parse_of("b.py"), "r2", NOW),
    }


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ({"is_paused": True, "next_dagrun_create_after": PAST}, True),
        ({"exceeds_max_non_backfill": True, "next_dagrun_create_after": PAST}, True),
        # The scheduler is late, or does not run.
        ({"next_dagrun_create_after": PAST}, True),
        ({"is_paused": True, "next_dagrun_create_after": FUTURE}, False),
        ({"is_paused": True}, False),
        ({}, False),
    ],
)
def test_file_is_parsed_once_for_each_time_that_a_dag_is_due_and_gets_no_run(
    engine: Any, dags: Any, rows: Any, values: dict[str, Any], wanted: bool
) -> None:
    expected = {"a.py"} if wanted else set()
    # Without a limit, the DAG has not fewer runs than it may have.
    dags("a", "a.py", "r1", max_active_runs=0, **values)
    assert rows.to_parse(parses(a=1), "r1") == expected
    assert rows.to_parse(parses(a=1), "r1") == set()
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE dag SET next_dagrun_create_after = next_dagrun_create_after + interval '1 h'"
        )
    assert rows.to_parse(parses(a=1), "r1") == expected


def test_dag_that_the_scheduler_is_about_to_run_is_not_parsed(dags: Any, rows: Any) -> None:
    now = datetime.now(UTC)
    dags("a", "a.py", "r1", next_dagrun_create_after=now - timedelta(seconds=5))
    assert rows.to_parse(parses(a=1), "r1") == set()


@pytest.fixture
def run(add: Add) -> Add:
    """Insert a run of the DAG `a`."""

    def insert(number: int, state: str = "success", **values: Any) -> None:
        at = NOW + timedelta(hours=number)
        row = {
            "dag_id": "a", "run_id": f"run{number}", "run_type": "scheduled", "state": state,
            "logical_date": at, "run_after": at, "span_status": "", "clear_number": 0,
        }  # fmt: skip
        add("dag_run", **row | values)

    return insert


def test_run_keeps_its_release_when_its_dag_gets_another(
    engine: Any, dags: Any, rows: Any, run: Add
) -> None:
    dags("a", "a.py", "r1")
    run(1, "running", bundle_version="r1")
    assert rows.move(parses(a=1), "r1", "r2") == {"a.py"}
    with engine.begin() as connection:
        found = connection.exec_driver_sql("SELECT bundle_version FROM dag_run").scalar_one()
    assert found == "r1"


def test_file_is_parsed_when_a_dag_counts_as_full_and_is_not(
    engine: Any, dags: Any, rows: Any, run: Add
) -> None:
    dags("a", "a.py", "r1", max_active_runs=2, exceeds_max_non_backfill=True)
    run(1, "running")
    run(2, "queued")
    assert rows.to_parse(parses(a=1), "r1") == set()
    # As the UI does. The scheduler looks only at runs that it ends itself.
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE dag_run SET state = 'failed' WHERE run_id = 'run1'")
    assert rows.to_parse(parses(a=1), "r1") == {"a.py"}
    assert rows.to_parse(parses(a=1), "r1") == {"a.py"}
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE dag SET exceeds_max_non_backfill = false")
    assert rows.to_parse(parses(a=1), "r1") == set()


def test_file_is_parsed_when_the_last_run_of_a_dag_was_deleted(
    engine: Any, dags: Any, rows: Any, run: Add
) -> None:
    dags("a", "a.py", "r1")
    run(1)
    run(2)
    run(3, run_type="manual")
    assert rows.to_parse(parses(a=1), "r1") == set()
    for name, wanted in (("run3", set()), ("run2", {"a.py"}), ("run1", {"a.py"})):
        with engine.begin() as connection:
            connection.exec_driver_sql(f"DELETE FROM dag_run WHERE run_id = '{name}'")
        assert rows.to_parse(parses(a=1), "r1") == wanted
        assert rows.to_parse(parses(a=1), "r1") == set()


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


def test_nothing_waits_for_a_dag_that_another_transaction_holds(
    engine: Any, dags: Any, rows: Any
) -> None:
    dags("a", "a.py", "r1")
    dags("b", "b.py", "r1")
    with engine.begin() as connection:
        connection.exec_driver_sql("SELECT * FROM dag WHERE dag_id = 'a' FOR UPDATE")
        assert rows.move(parses(a=1, b=1), "r1", "r2") == {"b.py"}
    assert rows.move(parses(a=1), "r1", "r2") == {"a.py"}


def test_a_table_lock_delays_the_loop_only_for_seconds(engine: Any, dags: Any, rows: Any) -> None:
    from sqlalchemy.exc import OperationalError

    dags("a", "a.py", "r1")
    with engine.begin() as connection:
        connection.exec_driver_sql("LOCK TABLE dag IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(OperationalError, match="lock timeout"):
            rows.move(parses(a=1), "r1", "r2")
    assert rows.move(parses(a=1), "r1", "r2") == {"a.py"}


def test_release_of_tasks_that_start_meanwhile_can_be_written(
    engine: Any, dags: Any, rows: Any
) -> None:
    dags("a", "a.py", "r1")
    with engine.begin() as connection:
        # What a foreign key takes, for example of a new task instance.
        connection.exec_driver_sql("SELECT * FROM dag FOR KEY SHARE")
        connection.exec_driver_sql("SELECT * FROM dag_version FOR KEY SHARE")
        assert rows.move(parses(a=1), "r1", "r2") == {"a.py"}
