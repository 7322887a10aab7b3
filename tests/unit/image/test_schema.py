"""The wait for the database schema."""

from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from airflow_on_fargate import heartbeat, schema
from airflow_on_fargate.schema import Mismatch

NEEDED = {"alembic_version": frozenset({"b"}), "alembic_version_fab": frozenset({"f"})}
OLD = Mismatch(NEEDED, {**NEEDED, "alembic_version": frozenset({"a"})})


class Clock:
    """Time that passes by sleeping only."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_heads_are_alembics_own_when_read_as_text() -> None:
    import airflow
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    for table, folder in schema.MIGRATIONS.items():
        config = Config()
        location = (Path(airflow.__file__).parent / folder).parent
        config.set_main_option("script_location", str(location))
        heads = ScriptDirectory.from_config(config).get_heads()
        assert schema.needed_heads()[table] == frozenset(heads)


def test_heads_are_those_nothing_builds_upon_when_migrations_branch(tmp_path: Path) -> None:
    (tmp_path / "1.py").write_text('revision = "a"\ndown_revision = None\n')
    (tmp_path / "2.py").write_text('revision: str = "b"\ndown_revision: str = "a"\n')
    (tmp_path / "3.py").write_text('revision = "c"\ndown_revision = "a"\n')
    assert schema.heads_of(tmp_path) == {"b", "c"}
    (tmp_path / "4.py").write_text('revision = "d"\ndown_revision = ("b", "c")\n')
    assert schema.heads_of(tmp_path) == {"d"}


def test_missing_migrations_are_an_error_when_the_folder_is_empty(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="no migrations"):
        schema.heads_of(tmp_path)


def test_mismatch_says_which_table_when_only_one_differs(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'db'}"
    needed = schema.needed_heads()
    with create_engine(url).begin() as connection:
        connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32))"))
        for head in needed["alembic_version"]:
            connection.execute(text("INSERT INTO alembic_version VALUES (:head)"), {"head": head})
    problem = schema.mismatch(url)
    [fab_head] = needed["alembic_version_fab"]
    assert str(problem) == f"alembic_version_fab is at nothing, needed is {fab_head}"


def wait(answers: list[Mismatch | Exception | None], clock: Clock) -> list[str]:
    said: list[str] = []

    def look() -> Mismatch | None:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    schema.wait(look=look, sleep=clock.sleep, clock=clock, say=said.append)
    return said


def test_says_nothing_when_the_schema_fits() -> None:
    assert wait([None], Clock()) == []


def test_says_what_is_missing_every_15_seconds_when_it_waits() -> None:
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
    assert "alembic_version is at a, needed is b" in said[0]


def test_goes_on_waiting_when_the_database_does_not_answer() -> None:
    refused = OperationalError("SELECT 1", {}, Exception("connection refused"))
    said = wait([refused, None], Clock())
    assert "connection refused" in said[0]


def test_beats_while_it_waits_when_the_health_check_looks() -> None:
    ages = []

    def look() -> Mismatch | None:
        ages.append(heartbeat.age(heartbeat.WAITING_FOR_SCHEMA))
        return OLD if len(ages) < 3 else None

    schema.wait(look=look, sleep=lambda _: None, say=lambda _: None)
    assert ages[0] is None
    assert ages[1] is not None
    assert heartbeat.age(heartbeat.WAITING_FOR_SCHEMA) is None
