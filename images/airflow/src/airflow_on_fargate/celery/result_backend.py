"""`ensure-result-backend`: a separate database and users for Celery's results.

Workers run the users' code and report results, so their credentials must not open the metadata
database, and must not reach the scheduler through the results (see `results`).
AIRFLOW__CELERY__RESULT_BACKEND names user, password and database; this command creates them as the
master user. It is safe to repeat at any time.

There are two users with the same rights. A password is replaced without a gap by changing that of
the user that is not in use and switching to it (see `rotation`). Outside a rotation both have the
password in the URL.
"""

import os
from typing import Any, Final

from airflow_on_fargate.celery.results import END_STATES, TABLE, VIEW
from airflow_on_fargate.database.owner import OWNER, administering
from airflow_on_fargate.database.roles import (
    any_row,
    connected,
    database_exists,
    exists,
    quoted,
    set_password,
)

# These are the names of an earlier version too, and a worker that was started before or during an
# update from it reports with them.
USERS: Final = ("result_backend", "result_backend_2")
# Connections of each user. A worker needs one for some milliseconds at the end of a task, and waits
# when there is none; a worker that keeps them all must not lock Airflow out of a small database,
# which has 81.
MOST_CONNECTIONS: Final = 10
NO_LIMIT: Final = -1
# An earlier version of this stack let workers read and change Celery's own tables. Its workers
# still report there after an update; the next rotation of the password, which waits until they
# have exited, removes these tables.
FORMER_TABLE: Final = "celery_taskmeta"
_FORMER_OBJECTS: Final = (
    "TABLE celery_taskmeta",
    "TABLE celery_tasksetmeta",
    "SEQUENCE task_id_sequence",
    "SEQUENCE taskset_id_sequence",
)


class ResultBackendError(Exception):
    """The result backend cannot be made to match its URL."""


def main() -> int:
    """Exit code 0 when the result backend matches its URL."""
    from sqlalchemy.engine import make_url

    from airflow_on_fargate.rotation.context import RotationContext

    master = RotationContext.from_environment().master_url()
    results = make_url(os.environ["AIRFLOW__CELERY__RESULT_BACKEND"].removeprefix("db+"))
    print(ensure(master, results))
    return 0


def ensure(master: Any, results: Any) -> str:
    """Create users, database, table and rights; returns a sentence about the result."""
    if results.username not in USERS:
        raise ResultBackendError(f"The user must be one of {USERS}, not {results.username!r}")
    if results.database == master.database:
        raise ResultBackendError("The result backend must not be the metadata database")
    with administering(master) as connection:
        for user in USERS:
            # A rotation may be running: only the user in the URL gets the password in the URL.
            if not exists(connection, user) or user == results.username:
                set_password(connection, user, results.password)
        if not database_exists(connection, results.database):
            connection.exec_driver_sql(f"CREATE DATABASE {quoted(results.database)}")
        # By default PostgreSQL allows every user to connect to every database.
        for database in (master.database, results.database):
            connection.exec_driver_sql(f"REVOKE ALL ON DATABASE {quoted(database)} FROM PUBLIC")
        for user in USERS:
            grant = f"GRANT CONNECT ON DATABASE {quoted(results.database)} TO {user}"
            connection.exec_driver_sql(grant)
        # The scheduler reads the states with Airflow's own user, and old ones are deleted.
        grant = f"GRANT CONNECT ON DATABASE {quoted(results.database)} TO {OWNER}"
        connection.exec_driver_sql(grant)
        others = _other_databases(connection, results)
    with connected(master.set(database=results.database)) as connection:
        _make_table(connection)
        # Workers of the former version do not wait for a connection.
        _limit_connections(connection, NO_LIMIT if _has_former(connection) else MOST_CONNECTIONS)
    # The URL is right, and its user can do no more than it should.
    with connected(results) as connection:
        may = f"SELECT has_column_privilege('{TABLE}', 'status', 'INSERT')"
        if not connection.exec_driver_sql(may).scalar():
            raise ResultBackendError(f"{results.username!r} cannot write results")
    said = f"Results go to the database {results.database!r} as {results.username!r}."
    return f"{said} That user can connect to these too: {', '.join(others)}." if others else said


def drop_former(master: Any, database: str) -> None:
    """Remove what workers of the former version used; nothing where it is gone."""
    with connected(master.set(database=database)) as connection:
        _make_view(connection, former=False)
        for each in _FORMER_OBJECTS:
            connection.exec_driver_sql(f"DROP {each.replace(' ', ' IF EXISTS ', 1)}")
        _limit_connections(connection, MOST_CONNECTIONS)


def _other_databases(connection: Any, results: Any) -> list[str]:
    """Where the user can connect besides; rdsadmin's own database refuses every user."""
    query = (
        "SELECT datname FROM pg_database WHERE datallowconn AND datname NOT IN (%s, 'rdsadmin')"
        " AND has_database_privilege(%s, oid, 'CONNECT') ORDER BY datname"
    )
    found = connection.exec_driver_sql(query, (results.database, results.username)).scalars()
    return [str(name) for name in found]


def _make_table(connection: Any) -> None:
    """What workers append to, and what the scheduler reads."""
    known = ", ".join(f"'{state}'" for state in END_STATES)
    users = ", ".join(USERS)
    for statement in (
        f"CREATE TABLE IF NOT EXISTS {TABLE} (task_id varchar(155) PRIMARY KEY,"
        f" status varchar(20) NOT NULL CHECK (status IN ({known})),"
        " date_done timestamptz NOT NULL DEFAULT now())",
        f"CREATE INDEX IF NOT EXISTS {TABLE}_date_done ON {TABLE} (date_done)",
        # In a rollback, the former version gave its users every right to every table. Both at once,
        # because a worker may report now. Not the date: cleaning goes by it.
        f"REVOKE ALL ON {TABLE} FROM {users}; GRANT INSERT (task_id, status) ON {TABLE} TO {users}",
        f"GRANT SELECT, DELETE ON {TABLE} TO {OWNER}",
    ):
        connection.exec_driver_sql(statement)
    _make_view(connection, former=_has_former(connection))
    connection.exec_driver_sql(f"REVOKE ALL ON {VIEW} FROM {users}")


def _has_former(connection: Any) -> bool:
    query = "SELECT 1 FROM pg_tables WHERE schemaname = 'public' AND tablename = %s"
    return any_row(connection, query, FORMER_TABLE)


def _limit_connections(connection: Any, most: int) -> None:
    for user in USERS:
        connection.exec_driver_sql(f"ALTER ROLE {user} CONNECTION LIMIT {most}")


def _make_view(connection: Any, former: bool) -> None:
    """The states that the scheduler reads, with those that workers of the former version report."""
    parts = [f"SELECT task_id, status FROM {TABLE}"]  # noqa: S608 - a constant
    if former:
        parts.append(f"SELECT task_id, status::varchar(20) FROM {FORMER_TABLE}")  # noqa: S608
    connection.exec_driver_sql(f"CREATE OR REPLACE VIEW {VIEW} AS " + " UNION ALL ".join(parts))
    connection.exec_driver_sql(f"GRANT SELECT ON {VIEW} TO {OWNER}")
