"""Does the database have the schema that this image's Airflow and FAB need?

Airflow's own check imports most of Airflow and exits the process when the answer is no. This one
reads the migration files' heads as text and the two version tables, and can wait.
"""

import ast
import importlib.util
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from airflow_on_fargate import heartbeat

# Version table -> folder of migrations inside the airflow package.
MIGRATIONS: Final[Mapping[str, str]] = {
    "alembic_version": "migrations/versions",
    "alembic_version_fab": "providers/fab/migrations/versions",
}
LOOK_SECONDS: Final = 3.0
LOG_SECONDS: Final = 15.0

Heads = dict[str, frozenset[str]]


@dataclass(frozen=True)
class Mismatch:
    """What the database lacks, or has too much of."""

    needed: Heads
    found: Heads

    def __str__(self) -> str:
        parts = [
            f"{table} is at {_named(self.found[table])}, needed is {_named(heads)}"
            for table, heads in self.needed.items()
            if self.found[table] != heads
        ]
        return "; ".join(parts)


def needed_heads() -> Heads:
    """The heads of the migrations that are installed with this Airflow."""
    return {table: heads_of(folder) for table, folder in _folders().items()}


def known_revisions() -> Heads:
    """Every revision that this Airflow's migrations can go up or down to."""
    return {table: frozenset(_revisions_of(folder)) for table, folder in _folders().items()}


def heads_of(folder: Path) -> frozenset[str]:
    """The revisions in `folder` that no other revision there builds upon."""
    revisions = _revisions_of(folder)
    return frozenset(revisions) - frozenset().union(*revisions.values())


def _folders() -> dict[str, Path]:
    spec = importlib.util.find_spec("airflow")
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError("the airflow package is not installed")
    root = Path(next(iter(spec.submodule_search_locations)))
    return {table: root / folder for table, folder in MIGRATIONS.items()}


def _revisions_of(folder: Path) -> dict[str, set[str]]:
    """Each revision in `folder`, with those that it builds upon."""
    found: dict[str, set[str]] = {}
    for path in folder.glob("*.py"):
        values = _assigned(path.read_text("utf-8"))
        for revision in values.get("revision", set()):
            found[revision] = values.get("down_revision", set())
    if not found:
        raise RuntimeError(f"no migrations found in {folder}")
    return found


def _assigned(source: str) -> dict[str, set[str]]:
    """The strings assigned to each name at a module's top level."""
    found: dict[str, set[str]] = {}
    for statement in ast.parse(source).body:
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            name = statement.targets[0].id
        elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            name = statement.target.id
        else:
            continue
        if name in {"revision", "down_revision"} and statement.value is not None:
            value = ast.literal_eval(statement.value)
            values = value if isinstance(value, (tuple, list)) else [value]
            found[name] = {item for item in values if item}
    return found


def found_heads(connection_url: str) -> Heads:
    """The heads that the database says it has; none for a table that is not there yet."""
    from sqlalchemy import column, create_engine, inspect, select
    from sqlalchemy import table as sql_table
    from sqlalchemy.pool import NullPool

    engine = create_engine(connection_url, poolclass=NullPool)
    with engine.connect() as connection:
        tables = inspect(connection).get_table_names()
        return {
            table: frozenset(
                connection.execute(
                    select(column("version_num")).select_from(sql_table(table))
                ).scalars()
                if table in tables
                else ()
            )
            for table in MIGRATIONS
        }


def mismatch(connection_url: str) -> Mismatch | None:
    """None if the schema is the one needed."""
    needed, found = needed_heads(), found_heads(connection_url)
    return None if needed == found else Mismatch(needed, found)


def wait(
    look: Callable[[], Mismatch | None] | None = None,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
    say: Callable[[str], None] = lambda text: print(text, flush=True),
) -> None:
    """Return when the schema fits, however long that takes; say every 15 s what is missing."""
    look = look or (lambda: mismatch(os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"]))
    started = clock()
    said_at: float | None = None
    while (problem := _problem(look)) is not None:
        heartbeat.beat(heartbeat.WAITING_FOR_SCHEMA)
        if said_at is None or clock() - said_at >= LOG_SECONDS:
            said_at = clock()
            say(f"Waiting for the database schema for {said_at - started:.0f} s: {problem}")
        sleep(LOOK_SECONDS)
    heartbeat.clear(heartbeat.WAITING_FOR_SCHEMA)
    if said_at is not None:
        say(f"The database schema is ready after {clock() - started:.0f} s")


def _problem(look: Callable[[], Mismatch | None]) -> str | None:
    from sqlalchemy.exc import SQLAlchemyError

    try:
        problem = look()
    except SQLAlchemyError as error:
        # The driver's message names host and user, never the password; the statement is not wanted.
        cause = getattr(error, "orig", None) or error
        return f"the database does not answer ({type(cause).__name__}: {str(cause).strip()})"
    return None if problem is None else str(problem)


def _named(heads: frozenset[str]) -> str:
    return ", ".join(sorted(heads)) or "nothing"
