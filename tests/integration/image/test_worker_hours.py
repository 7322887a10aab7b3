"""`worker-hours` on a real PostgreSQL with Airflow's own tables."""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from airflow_on_fargate.database import worker_hours

HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def history(postgres: Any) -> Iterator[Any]:
    """A database with the tables of the pinned Airflow, without what rows have to refer to."""
    from airflow.models import import_all_models
    from airflow.models.base import Base
    from sqlalchemy import create_engine, text

    postgres.execute(
        "CREATE ROLE hours LOGIN PASSWORD 'first';\nCREATE DATABASE hours OWNER hours;\n"
    )
    import_all_models()
    url = f"postgresql+psycopg2://hours:first@127.0.0.1:{postgres.port}/hours"
    engine = create_engine(url)
    Base.metadata.create_all(engine)
    with engine.begin() as connection:
        for table in ("task_instance", "task_instance_history"):
            connection.execute(text(f"ALTER TABLE {table} ALTER dag_version_id DROP NOT NULL"))
            for constraint in connection.execute(
                text(
                    "SELECT conname FROM pg_constraint WHERE contype = 'f' "
                    f"AND conrelid = '{table}'::regclass"
                )
            ).scalars():
                connection.execute(text(f'ALTER TABLE {table} DROP CONSTRAINT "{constraint}"'))
    yield engine
    engine.dispose()
    postgres.execute("DROP DATABASE hours WITH (FORCE);\nDROP ROLE hours;\n")


def add(
    connection: Any, table: str, dag_id: str, host: str, start: datetime, end: datetime | None
) -> None:
    from sqlalchemy import text

    key = "id" if table == "task_instance" else "task_instance_id"
    connection.execute(
        text(
            f"INSERT INTO {table} ({key}, task_id, dag_id, run_id, map_index, start_date, "
            "end_date, state, try_number, hostname, pool, pool_slots) "
            "VALUES (:id, :id, :dag, :id, -1, :start, :end, :state, 1, :host, 'default_pool', 1)"
        ),
        {
            "id": str(uuid.uuid4()),
            "dag": dag_id,
            "start": start,
            "end": end,
            "state": "success" if end else "running",
            "host": host,
        },
    )


def test_tries_of_the_last_days_and_running_tasks_are_counted(
    history: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = datetime.now(UTC)
    with history.begin() as connection:
        add(connection, "task_instance", "orders", "a", now - 5 * HOUR, now - 4 * HOUR)
        # A former try of a task, beside another DAG's task.
        add(connection, "task_instance_history", "orders", "a", now - 3 * HOUR, now - 2 * HOUR)
        add(connection, "task_instance", "mail", "a", now - 3 * HOUR, now - 2 * HOUR)
        # It still runs.
        add(connection, "task_instance", "mail", "b", now - HOUR, None)
        # The part of it that is within the day.
        add(connection, "task_instance", "old", "c", now - 30 * HOUR, now - 23 * HOUR)
        # Too old; and never on a worker.
        add(connection, "task_instance", "ancient", "c", now - 50 * HOUR, now - 40 * HOUR)
        add(connection, "task_instance", "skipped", "", now - 2 * HOUR, now - HOUR)
    url = history.url.render_as_string(hide_password=False)
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", url)

    assert worker_hours.main("--days", "1") == 0

    rows = [
        [cell.strip() for cell in line.split("|")]
        for line in capsys.readouterr().out.splitlines()
        if line.count("|") == 4
    ]
    assert rows == [
        ["DAG", "tasks", "task hours", "worker hours", "share"],
        ["mail", "2", "2.00", "1.50", "37.5%"],
        ["orders", "2", "2.00", "1.50", "37.5%"],
        ["old", "1", "1.00", "1.00", "25.0%"],
        ["all", "5", "5.00", "4.00", "100.0%"],
    ]
