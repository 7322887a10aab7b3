"""`ensure-result-backend`: a database and a user of its own for Celery's results.

Workers run other people's code and need the result backend, so what they hold must not open the
metadata database. AIRFLOW__CELERY__RESULT_BACKEND names user, password and database; this makes
them so, as the owner of the metadata database. Safe to repeat, at any time.

There are two users with the same rights, because a password is replaced without a gap by changing
that of the user nobody uses and moving over (see `rotation`). Outside a rotation both have the
password that is in the URL.
"""

import os
from typing import Any, Final

USERS: Final = ("result_backend", "result_backend_2")


class ResultBackendError(Exception):
    """The result backend cannot be as its URL says."""


def main() -> int:
    """Exit code 0 when the result backend is as its URL says."""
    from sqlalchemy.engine import make_url

    metadata = make_url(os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"])
    results = make_url(os.environ["AIRFLOW__CELERY__RESULT_BACKEND"].removeprefix("db+"))
    print(ensure(metadata, results))
    return 0


def ensure(metadata: Any, results: Any) -> str:
    """Make users, database, tables and rights; returns what there is now, in words."""
    if results.username not in USERS:
        raise ResultBackendError(f"The user must be one of {USERS}, not {results.username!r}")
    if results.database == metadata.database:
        raise ResultBackendError("The result backend must not be the metadata database")
    with connected(metadata) as connection:
        for user in USERS:
            # A rotation may be under way: only the user of the URL gets the password of the URL.
            if not _role_exists(connection, user) or user == results.username:
                set_password(connection, user, results.password)
        if not _database_exists(connection, results.database):
            connection.exec_driver_sql(f"CREATE DATABASE {_quoted(results.database)}")
        # PostgreSQL lets everybody into every database unless told otherwise.
        for database in (metadata.database, results.database):
            connection.exec_driver_sql(f"REVOKE ALL ON DATABASE {_quoted(database)} FROM PUBLIC")
        for user in USERS:
            grant = f"GRANT CONNECT ON DATABASE {_quoted(results.database)} TO {user}"
            connection.exec_driver_sql(grant)
    with connected(metadata.set(database=results.database)) as connection:
        _make_tables(connection)
    with connected(results) as connection:
        connection.exec_driver_sql("SELECT count(*) FROM celery_taskmeta")
    return f"Results go to the database {results.database!r} as {results.username!r}."


def set_password(connection: Any, user: str, password: str) -> None:
    """Give the user this password, and make the user if there is none."""
    from psycopg2.extensions import encrypt_password
    from sqlalchemy.exc import DBAPIError

    driver = connection.connection.driver_connection
    # What PostgreSQL would store: so the password stands in no statement and no log of one.
    verifier = encrypt_password(password, user, scope=driver, algorithm="scram-sha-256")
    # A user may change its own password, and nothing else of itself.
    role = f"ROLE {_quoted(user)}"
    action = f"ALTER {role}" if _role_exists(connection, user) else f"CREATE {role} LOGIN"
    try:
        connection.exec_driver_sql(f"{action} PASSWORD '{verifier}'")
    except DBAPIError as error:
        # Without the statement, which an error would quote.
        raise ResultBackendError(f"Could not {action}: {error.orig}") from None


def connected(url: Any) -> Any:
    """A connection that commits each statement and is closed at the end of a `with`."""
    from sqlalchemy import create_engine
    from sqlalchemy.pool import NullPool

    return create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT").connect()


def _make_tables(connection: Any) -> None:
    """Celery's tables, made here so that its user need not be able to make any."""
    from celery.backends.database import models

    models.ResultModelBase.metadata.create_all(connection)
    users = ", ".join(USERS)
    for statement in (
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {users}",
        f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {users}",
    ):
        connection.exec_driver_sql(statement)


def _role_exists(connection: Any, name: str) -> bool:
    return _any(connection, "SELECT 1 FROM pg_roles WHERE rolname = %s", name)


def _database_exists(connection: Any, name: str) -> bool:
    return _any(connection, "SELECT 1 FROM pg_database WHERE datname = %s", name)


def _any(connection: Any, query: str, name: str) -> bool:
    return connection.exec_driver_sql(query, (name,)).first() is not None


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
