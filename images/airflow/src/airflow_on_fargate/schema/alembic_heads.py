"""Compares the database's schema with the one that this image's Airflow and FAB need.

Airflow's own check imports most of Airflow and ends the process when they differ. This one
reads the heads of the migration files as text, and compares them with the two version tables.
"""

import ast
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

# Version table -> folder of migrations inside the airflow package.
MIGRATIONS: Final[Mapping[str, str]] = {
    "alembic_version": "migrations/versions",
    "alembic_version_fab": "providers/fab/migrations/versions",
}

Heads = dict[str, frozenset[str]]


@dataclass(frozen=True)
class Mismatch:
    """The heads that are needed, and those that the database has."""

    needed: Heads
    found: Heads

    def __str__(self) -> str:
        parts = [
            f"{table} is at {_named(self.found[table])}, but {_named(heads)} is needed"
            for table, heads in self.needed.items()
            if self.found[table] != heads
        ]
        return "; ".join(parts)


def needed_heads() -> Heads:
    """The heads of the migrations that are installed with this Airflow."""
    return {table: heads_of(folder) for table, folder in _folders().items()}


def known_revisions() -> Heads:
    """Every revision that this Airflow can migrate to, up or down."""
    return {table: frozenset(_revisions_of(folder)) for table, folder in _folders().items()}


def heads_of(folder: Path) -> frozenset[str]:
    """The revisions in `folder` that no other revision there is based on."""
    revisions = _revisions_of(folder)
    return frozenset(revisions) - frozenset().union(*revisions.values())


def _folders() -> dict[str, Path]:
    spec = importlib.util.find_spec("airflow")
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError("the airflow package is not installed")
    root = Path(next(iter(spec.submodule_search_locations)))
    return {table: root / folder for table, folder in MIGRATIONS.items()}


def _revisions_of(folder: Path) -> dict[str, set[str]]:
    """Each revision in `folder`, with those that it is based on."""
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
    """The heads in the database's version tables; none for a table that does not exist yet."""
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


def _named(heads: frozenset[str]) -> str:
    return ", ".join(sorted(heads)) or "nothing"
