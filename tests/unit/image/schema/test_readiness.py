"""The wait for the database schema."""

from sqlalchemy.exc import OperationalError

from airflow_on_fargate import heartbeat
from airflow_on_fargate.schema import readiness
from airflow_on_fargate.schema.alembic_heads import Mismatch

NEEDED = {"alembic_version": frozenset({"b"}), "alembic_version_fab": frozenset({"f"})}
OLD = Mismatch(NEEDED, {**NEEDED, "alembic_version": frozenset({"a"})})


class Clock:
    """Time passes only by sleeping."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def wait(answers: list[Mismatch | Exception | None], clock: Clock) -> list[str]:
    said: list[str] = []

    def look() -> Mismatch | None:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    readiness.wait("scheduler", look=look, sleep=clock.sleep, clock=clock, say=said.append)
    return said


def test_logs_nothing_when_the_schema_is_up_to_date() -> None:
    assert wait([None], Clock()) == []


def test_logs_every_15_seconds_what_is_missing() -> None:
    clock = Clock()
    said = wait([OLD] * 20 + [None], clock)
    assert clock.now == 60
    assert [line.split(":")[0] for line in said] == [
        "Waiting for the database schema for 0 s",
        "Waiting for the database schema for 15 s",
        "Waiting for the database schema for 30 s",
        "Waiting for the database schema for 45 s",
        "The database schema is ready after 60 s",
    ]
    assert "alembic_version is at a, but b is needed" in said[0]


def test_keeps_waiting_when_the_database_does_not_answer() -> None:
    refused = OperationalError("SELECT 1", {}, Exception("connection refused"))
    said = wait([refused, None], Clock())
    assert "connection refused" in said[0]


def test_gives_heartbeats_while_it_waits() -> None:
    ages = []

    def look() -> Mismatch | None:
        ages.append(heartbeat.age(heartbeat.waiting_for_schema("scheduler")))
        return OLD if len(ages) < 3 else None

    readiness.wait("scheduler", look=look, sleep=lambda _: None, say=lambda _: None)
    assert ages[0] is None
    assert ages[1] is not None
    assert heartbeat.age(heartbeat.waiting_for_schema("scheduler")) is None
