"""PostgreSQL's users: connections, passwords and what exists."""

from typing import Any, Final

# The user that RDS creates: it creates the others and sets their passwords. The name is
# the template's; a change would replace the database.
MASTER: Final = "airflow"


class RoleError(Exception):
    """A user cannot be made as it should be."""


def connected(url: Any) -> Any:
    """A connection that commits each statement; a `with` closes it."""
    from sqlalchemy import create_engine
    from sqlalchemy.pool import NullPool

    return create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT").connect()


def opens(url: Any) -> bool:
    """Whether the server accepts the URL's user and password now."""
    from sqlalchemy.exc import OperationalError

    try:
        connected(url).close()
    except OperationalError:
        return False
    return True


def set_password(connection: Any, user: str, password: str) -> None:
    """Set the user's password, and create the user if it does not exist."""
    from psycopg2.extensions import encrypt_password
    from sqlalchemy.exc import DBAPIError

    driver = connection.connection.driver_connection
    # The hash that PostgreSQL stores, so that no statement and no log contains the password.
    verifier = encrypt_password(password, user, scope=driver, algorithm="scram-sha-256")
    # A user may change its own password, but none of its other attributes.
    role = f"ROLE {quoted(user)}"
    action = f"ALTER {role}" if exists(connection, user) else f"CREATE {role} LOGIN"
    try:
        connection.exec_driver_sql(f"{action} PASSWORD '{verifier}'")
    except DBAPIError as error:
        # Without the original error, which quotes the statement.
        raise RoleError(f"Could not {action}: {error.orig}") from None


def exists(connection: Any, name: str) -> bool:
    """Whether there is a role of this name."""
    return any_row(connection, "SELECT 1 FROM pg_roles WHERE rolname = %s", name)


def database_exists(connection: Any, name: str) -> bool:
    """Whether there is a database of this name."""
    return any_row(connection, "SELECT 1 FROM pg_database WHERE datname = %s", name)


def any_row(connection: Any, query: str, name: str) -> bool:
    """Whether the query finds anything for the name."""
    return connection.exec_driver_sql(query, (name,)).first() is not None


def quoted(name: str) -> str:
    """The name as an identifier."""
    return '"' + name.replace('"', '""') + '"'
