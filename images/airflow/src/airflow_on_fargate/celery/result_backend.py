"""`ensure-result-backend`: a separate database and user for Celery's results.

Workers run the users' code and need the result backend, so their credentials must not open the
metadata database. AIRFLOW__CELERY__RESULT_BACKEND names user, password and database; this command
creates them as the owner of the metadata database. It is safe to repeat at any time.

There are two users with the same rights. A password is replaced without a gap by changing that of
the user that is not in use and switching to it (see `rotation`). Outside a rotation both have the
password in the URL.
"""

import os
from typing import Any, Final

USERS: Final = ("result_backend", "result_backend_2")


class ResultBackendError(Exception):
    """The result backend cannot be made to match its URL."""


def main() -> int:
    """Exit code 0 when the result backend matches its URL."""
    from sqlalchemy.engine import make_url

    metadata = make_url(os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"])
    results = make_url(os.environ["AIRFLOW__CELERY__RESULT_BACKEND"].removeprefix("db+"))
    print(ensure(metadata, results))
    return 0


def ensure(metadata: Any, results: Any) -> str:
    """Create users, database, tables and rights; returns a sentence about the result."""
    if results.username not in USERS:
        raise ResultBackendError(f"The user must be one of {USERS}, not {results.username!r}")
    if results.database == metadata.database:
        raise ResultBackendError("The result backend must not be the metadata database")
    with connected(metadata) as connection:
        for user in USERS:
            # A rotation may be running: only the user in the URL gets the password in the URL.
            if not _role_exists(connection, user) or user == results.username:
                set_password(connection, user, results.password)
        if not _database_exists(connection, results.database):
            connection.exec_driver_sql(f"CREATE DATABASE {_quoted(results.database)}")
        # By default PostgreSQL allows every user to connect to every database.
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
    """Set the user's password, and create the user if it does not exist."""
    from psycopg2.extensions import encrypt_password
    from sqlalchemy.exc import DBAPIError

    driver = connection.connection.driver_connection
    # The hash that PostgreSQL stores, so that no statement and no log contains the password.
    verifier = encrypt_password(password, user, scope=driver, algorithm="scram-sha-256")
    # A user may change its own password, but none of its other attributes.
    role = f"ROLE {_quoted(user)}"
    action = f"ALTER {role}" if _role_exists(connection, user) else f"CREATE {role} LOGIN"
    try:
        connection.exec_driver_sql(f"{action} PASSWORD '{verifier}'")
    except DBAPIError as error:
        # Without the original error, which quotes the statement.
        raise ResultBackendError(f"Could not {action}: {error.orig}") from None


def connected(url: Any) -> Any:
    """A connection that commits each statement; a `with` closes it."""
    from sqlalchemy import create_engine
    from sqlalchemy.pool import NullPool

    return create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT").connect()


def _make_tables(connection: Any) -> None:
    """Create Celery's tables, so that its user does not need the right to."""
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
