"""Airflow's own user of the metadata database, for `ensure-database-users`.

The RDS master user may create users and databases, so no container gets its password. This command
reads it from Secrets Manager, which only its task role and that of `rotate-secret` may do, and
makes the user that AIRFLOW__DATABASE__SQL_ALCHEMY_CONN names. It is safe to repeat at any time,
while Airflow runs.

- The role `airflow_owner` owns everything in the database, and nobody can log in as it.
- `airflow_app` and `airflow_app_2` are members and act as the owner, so that what one of them
  creates belongs to all. There are two because a password is replaced without a gap by changing
  that of the user that is not in use and switching to it (see `rotation`).
- An earlier version of this stack used the master user. It becomes a member too, so that tasks of
  that version go on while tables change hands, and after a rollback.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from airflow_on_fargate.database.roles import RoleError, connected, exists, quoted, set_password

OWNER: Final = "airflow_owner"
USERS: Final = ("airflow_app", "airflow_app_2")
# PostgreSQL lets every user connect to these, and create temporary tables there.
_OTHER_DATABASES: Final = ("postgres", "template1")
# A table changes hands between two statements of Airflow; a long query is waited for.
LOCK_SECONDS: Final = 2
MOST_SECONDS: Final = 600.0

# Everything in the schema that this user may give away: (kind for ALTER, name).
_FOREIGN: Final = """
SELECT CASE relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'S' THEN 'SEQUENCE'
       ELSE 'TABLE' END, c.oid::regclass::text
  FROM pg_class c WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r','p','v','m','S')
   AND relowner <> %(owner)s::regrole AND pg_has_role(relowner, 'USAGE')
   AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.objid = c.oid AND c.relkind = 'S'
       AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a','i'))
UNION ALL
SELECT 'TYPE', t.oid::regtype::text FROM pg_type t
 WHERE typnamespace = 'public'::regnamespace AND typtype IN ('e','d','r')
   AND typowner <> %(owner)s::regrole AND pg_has_role(typowner, 'USAGE')
UNION ALL
SELECT 'ROUTINE', p.oid::regprocedure::text FROM pg_proc p
 WHERE pronamespace = 'public'::regnamespace
   AND proowner <> %(owner)s::regrole AND pg_has_role(proowner, 'USAGE')
"""


def ensure(master: Any, airflow: Any) -> str:
    """Create the users and give them the database's tables; returns a sentence about the result."""
    if airflow.username not in USERS:
        raise RoleError(f"Airflow's user must be one of {USERS}, not {airflow.username!r}")
    database = quoted(master.database)
    with administering(master) as connection:
        if not exists(connection, OWNER):
            connection.exec_driver_sql(f"CREATE ROLE {OWNER} NOLOGIN")
        for user in USERS:
            # A rotation may be running: only the user in the URL gets the password in the URL.
            if not exists(connection, user) or user == airflow.username:
                set_password(connection, user, airflow.password)
        for statement in (
            *(
                f"GRANT {OWNER} TO {each} WITH INHERIT TRUE, SET TRUE"
                for each in ("CURRENT_USER", *USERS)
            ),
            *(f"ALTER ROLE {each} SET role = '{OWNER}'" for each in USERS),
            *(
                f"REVOKE ALL ON DATABASE {quoted(each)} FROM PUBLIC"
                for each in (master.database, *_OTHER_DATABASES)
            ),
            f"GRANT CONNECT, TEMPORARY ON DATABASE {database} TO {OWNER}",
            f"GRANT USAGE, CREATE ON SCHEMA public TO {OWNER}",
        ):
            connection.exec_driver_sql(statement)
        moved = hand_over(connection)
    with connected(airflow) as connection:
        if connection.exec_driver_sql("SELECT current_user").scalar() != OWNER:
            raise RoleError(f"{airflow.username!r} does not act as {OWNER!r}")
    return (
        f"Airflow uses the database {master.database!r} as {airflow.username!r}; "
        f"{moved} tables and types changed hands."
    )


def hand_over(connection: Any, most_seconds: float = MOST_SECONDS) -> int:
    """Give the owner every table and type that this user owns; returns their number."""
    from sqlalchemy.exc import DBAPIError

    connection.exec_driver_sql(f"SET lock_timeout = '{LOCK_SECONDS}s'")
    deadline = time.monotonic() + most_seconds
    moved = 0
    while found := connection.exec_driver_sql(_FOREIGN, {"owner": OWNER}).all():
        for kind, name in found:
            try:
                connection.exec_driver_sql(f"ALTER {kind} {name} OWNER TO {OWNER}")
                moved += 1
            except DBAPIError as error:
                # Airflow uses it now. Waiting longer would make others wait behind this statement.
                if not _waited_for_a_lock(error) or time.monotonic() > deadline:
                    raise
                time.sleep(LOCK_SECONDS)
    return moved


@contextmanager
def administering(master: Any) -> Iterator[Any]:
    """A connection of the master user, for which nothing in the database can stand in.

    Airflow's user may create functions and operators there; with the default search path, one of
    them could run with the master user's rights.
    """
    with connected(master) as connection:
        connection.exec_driver_sql("SET search_path = pg_catalog")
        yield connection


def _waited_for_a_lock(error: Any) -> bool:
    return getattr(error.orig, "pgcode", None) == "55P03"
