"""Queries about due runs: real PostgreSQL, Airflow's own tables."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from airflow_on_fargate.contracts.forecast import ForecastRun
from airflow_on_fargate.forecast import history
from airflow_on_fargate.forecast.publisher import DatabaseLook

NOW = datetime(2026, 3, 1, 11, 50, tzinfo=UTC)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def engine(postgres: Any) -> Iterator[Any]:
    """A session of a database with the tables of the pinned Airflow."""
    from airflow.models import import_all_models
    from airflow.models.base import Base
    from sqlalchemy import create_engine

    postgres.execute(
        "CREATE ROLE forecast LOGIN PASSWORD 'first';\nCREATE DATABASE forecast OWNER forecast;\n"
    )
    import_all_models()
    engine = create_engine(
        f"postgresql+psycopg2://forecast:first@127.0.0.1:{postgres.port}/forecast"
    )
    Base.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(sql("INSERT INTO dag_bundle (name) VALUES ('releases')"))
        # The tests create many rows; the rows that they reference do not matter.
        connection.execute(sql("ALTER TABLE task_instance ALTER dag_version_id DROP NOT NULL"))
    yield engine
    engine.dispose()
    postgres.execute("DROP DATABASE forecast WITH (FORCE);\nDROP ROLE forecast;\n")


@pytest.fixture
def session(engine: Any) -> Iterator[Any]:
    from sqlalchemy.orm import Session

    with Session(engine) as session:
        yield session
        session.rollback()
        session.execute(sql("TRUNCATE dag, job, dag_run, task_instance CASCADE"))
        session.commit()


def sql(statement: str) -> Any:
    from sqlalchemy import text

    return text(statement)


def add_dag(session: Any, dag_id: str, due: datetime | None = NOON, **flags: Any) -> None:
    from airflow.models.dag import DagModel

    states = {"is_paused": False, "is_stale": False, "has_import_errors": False} | flags
    session.add(
        DagModel(
            dag_id=dag_id,
            bundle_name="releases",
            next_dagrun_create_after=due,
            max_active_tasks=16,
            max_consecutive_failed_dag_runs=0,
            **states,
        )
    )
    session.flush()


def add_run(
    session: Any,
    dag_id: str,
    start: datetime,
    tasks: list[tuple[float, float]],
    *,
    queue: str = "default",
    state: str = "success",
    run_type: str = "scheduled",
    waited: float = 0.0,
) -> None:
    """A run whose tasks are given as (seconds from the start until queued, duration)."""
    from airflow.models.dagrun import DagRun

    run_id = f"{run_type}__{start.isoformat()}"
    run = DagRun(dag_id=dag_id, run_id=run_id, run_type=run_type, run_after=start, state=state)
    run.logical_date = run.start_date = start
    session.add(run)
    session.flush()
    rows = [
        {
            "run": run_id,
            "dag": dag_id,
            "task": f"task-{number}",
            "queue": queue,
            "queued": start + timedelta(seconds=after),
            "start": start + timedelta(seconds=after + waited),
            "end": start + timedelta(seconds=after + waited + duration),
        }
        for number, (after, duration) in enumerate(tasks)
    ]
    if rows:
        session.execute(
            sql(
                "INSERT INTO task_instance (id, dag_id, run_id, task_id, map_index, pool,"
                " pool_slots, queue, queued_dttm, start_date, end_date, state, try_number,"
                " max_tries) VALUES (gen_random_uuid(), :dag, :run, :task, -1, 'default_pool', 1,"
                " :queue, :queued, :start, :end, 'success', 1, 0)"
            ),
            rows,
        )


def add_scheduler(session: Any, seen: datetime, state: str = "running") -> int:
    from airflow.jobs.job import Job

    job = Job(job_type="SchedulerJob", state=state)
    job.latest_heartbeat = seen
    session.add(job)
    session.commit()
    return int(job.id)


class Database:
    """A session as the publisher opens it."""

    def __init__(self, session: Any) -> None:
        self.session = session

    def __enter__(self) -> Any:
        return self.session

    def __exit__(self, *_: Any) -> None:
        self.session.commit()


def look(session: Any, now: datetime = NOW) -> Any:
    own = add_scheduler(session, now)
    return DatabaseLook(lambda: own, lambda: Database(session))(now)


def test_forecasts_the_usual_slots_when_a_run_is_due(session: Any) -> None:
    add_dag(session, "nightly")
    for day, size in enumerate((40, 42, 400, 38, 41), 1):
        add_run(session, "nightly", NOON - day * DAY, [(1.0, 100.0)] * size)
    # The sixth run back does not count, and neither does a manual one.
    add_run(session, "nightly", NOON - 6 * DAY, [(1.0, 100.0)] * 900)
    add_run(session, "nightly", NOON - 0.5 * DAY, [(1.0, 9.0)] * 900, run_type="manual")

    assert look(session) == [ForecastRun(NOON.timestamp(), "default", 41)]


def test_forecasts_waves_when_a_run_widens_later(session: Any) -> None:
    add_dag(session, "etl")
    # One task, then six in parallel at 65 s, then one that uses a free slot.
    add_run(session, "etl", NOON - DAY, [(1, 60), *[(65, 30)] * 6, (200, 10)])

    assert look(session) == [
        ForecastRun(NOON.timestamp(), "default", 1),
        ForecastRun(NOON.timestamp() + 60, "default", 5),
    ]


def test_forecasts_one_slot_when_tasks_ran_one_after_another(session: Any) -> None:
    add_dag(session, "chain")
    add_run(session, "chain", NOON - DAY, [(number * 4.0, 4.0) for number in range(14)])

    assert look(session) == [ForecastRun(NOON.timestamp(), "default", 1)]


def test_forecast_leaves_out_the_wait_for_workers(session: Any) -> None:
    add_dag(session, "cold")
    # With enough workers, the second would have started after the first's end.
    add_run(session, "cold", NOON - DAY, [(1, 20), (30, 20)], waited=70)

    assert look(session) == [ForecastRun(NOON.timestamp(), "default", 1)]


def test_forecasts_each_queue_separately(session: Any) -> None:
    for queue, size in (("default", 3), ("big", 7)):
        add_dag(session, queue)
        add_run(session, queue, NOON - DAY, [(1.0, 60.0)] * size, queue=queue)

    assert look(session) == [
        ForecastRun(NOON.timestamp(), "big", 7),
        ForecastRun(NOON.timestamp(), "default", 3),
    ]


@pytest.mark.parametrize(
    "flags",
    [
        {"is_paused": True},
        {"is_stale": True},
        {"has_import_errors": True},
        {"exceeds_max_non_backfill": True},
        {"due": None},
        {"due": NOW + timedelta(minutes=16)},
        {"due": NOW - timedelta(minutes=1)},
    ],
)
def test_forecasts_nothing_when_no_run_is_due(session: Any, flags: dict[str, Any]) -> None:
    add_dag(session, "quiet", **flags)
    add_run(session, "quiet", NOON - DAY, [(1.0, 60.0)])

    assert look(session) == []


def test_forecasts_nothing_when_the_dag_has_never_run(session: Any) -> None:
    add_dag(session, "new")
    add_run(session, "new", NOON - DAY, [(1.0, 60.0)], state="running")

    assert look(session) == []


def test_forecasts_later_waves_when_the_run_has_begun(session: Any) -> None:
    add_dag(session, "etl", due=NOON + DAY)
    add_run(session, "etl", NOON - DAY, [(1, 110), *[(125, 30)] * 9])
    add_run(session, "etl", NOON, [], state="running")

    assert look(session, NOON + timedelta(seconds=30)) == [
        ForecastRun(NOON.timestamp() + 120, "default", 8),
    ]


def test_reads_each_history_once(session: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[list[str]] = []

    def spy(_: Any, dag_ids: list[str]) -> dict[str, Any]:
        read.append(list(dag_ids))
        return {dag_id: {"default": (4,)} for dag_id in dag_ids}

    monkeypatch.setattr(history, "waves_of", spy)
    own = add_scheduler(session, NOW)
    add_dag(session, "nightly")
    session.commit()
    database_look = DatabaseLook(lambda: own, lambda: Database(session))
    for _ in range(3):
        assert database_look(NOW) == [ForecastRun(NOON.timestamp(), "default", 4)]
    session.execute(
        sql("UPDATE dag SET next_dagrun_create_after = next_dagrun_create_after + interval '60 s'")
    )
    assert database_look(NOW) == [ForecastRun(NOON.timestamp() + 60, "default", 4)]

    assert read == [["nightly"], [], [], ["nightly"]]


def test_only_one_of_two_schedulers_publishes(session: Any) -> None:
    gone = add_scheduler(session, NOW - timedelta(minutes=2))
    ended = add_scheduler(session, NOW, state="success")
    first, second = add_scheduler(session, NOW), add_scheduler(session, NOW)
    add_dag(session, "nightly")
    add_run(session, "nightly", NOON - DAY, [(1.0, 60.0)])
    session.commit()

    answers = {
        job: DatabaseLook(lambda job=job: job, lambda: Database(session))(NOW)  # type: ignore[misc]
        for job in (gone, ended, first, second)
    }

    found = [ForecastRun(NOON.timestamp(), "default", 1)]
    assert answers == {gone: None, ended: None, first: found, second: None}
