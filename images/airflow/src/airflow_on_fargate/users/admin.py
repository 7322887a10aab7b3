"""`ensure-admin-user [EMAIL]`: the FAB user with ADMIN_USERNAME and ADMIN_PASSWORD.

Creates the user with that password, or updates it: role Admin (besides roles that people added),
active and, where one is given, that e-mail address. It runs with every deployment and changes
nothing when nothing differs, so that no session ends. A password that was changed in the UI stays:
only a rotation of the secret sets it (`reset_password`).

Every deployment runs it, as a part of `upgrade-schema`. Airflow is started only when one query
finds that something differs.
"""

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

ROLE: Final = "Admin"
# Any constant number: two runs at the same time take turns with it.
ADVISORY_LOCK: Final = 4_150_917_202
_AS_DESCRIBED: Final = """
SELECT 1 FROM ab_user AS u
  JOIN ab_user_role AS link ON link.user_id = u.id
  JOIN ab_role AS r ON r.id = link.role_id
 WHERE u.username = :username AND u.active AND r.name = :role
   AND coalesce(u.password, '') <> '' AND (:email = '' OR u.email = :email)
"""


class MissingSettingError(Exception):
    """The task definition does not set a variable that it should."""


def main(*arguments: str, reset_password: bool = False) -> int:
    """Exit code 0 when the user is as described."""
    from airflow_on_fargate.schema import alembic_heads

    parser = argparse.ArgumentParser(prog="ensure-admin-user", description="The first user.")
    parser.add_argument("email", nargs="?", help="without it the user's address stays as it is")
    email: str | None = parser.parse_args(arguments).email or None
    url = _setting("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN")
    username, password = _setting("ADMIN_USERNAME"), _setting("ADMIN_PASSWORD")
    if problem := alembic_heads.mismatch(url):
        print(f"Run `db migrate` first: {problem}")
        return 1
    with _one_at_a_time(url) as connection:
        if not reset_password and is_as_described(connection, username, email):
            print(_up_to_date(username))
            return 0
        from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder

        with get_application_builder() as builder:
            print(ensure(builder.sm, username, email, password, reset_password))
    return 0


def is_as_described(connection: Any, username: str, email: str | None) -> bool:
    """Whether `ensure` has nothing to do, by FAB's tables and without Airflow."""
    from sqlalchemy import text

    values = {"username": username, "role": ROLE, "email": email or ""}
    return connection.execute(text(_AS_DESCRIBED), values).first() is not None


def ensure(
    security_manager: Any,
    username: str,
    email: str | None,
    password: str,
    reset_password: bool = False,
) -> str:
    """Create or update the user; returns a sentence about what was done."""
    role = security_manager.find_role(ROLE)
    if role is None:
        # An API server creates the roles when it starts; on a first deployment none has started.
        security_manager.sync_roles()
        role = security_manager.find_role(ROLE)
    # The address is unique too: an administrator with a new name keeps the account.
    user = security_manager.find_user(username=username)
    if user is None and email:
        user = security_manager.find_user(email=email)
    if user is None:
        # FAB needs an address, and none is sent to this one.
        address = email or f"{username}@localhost"
        security_manager.add_user(username, "Airflow", "Administrator", address, role, password)
        return f"Created the user {username!r} with the role {ROLE}."
    changed = _correct(user, username, email or user.email, role)
    if changed and not security_manager.update_user(user):
        raise RuntimeError(f"the user {username!r} could not be updated")
    if not user.password or (reset_password and not _has_password(user, password)):
        if not security_manager.reset_password(user.id, password):
            raise RuntimeError(f"the password of {username!r} could not be set")
        changed.append("password")
    if not changed:
        return _up_to_date(username)
    return f"Updated the user {username!r}: {', '.join(changed)}."


def _up_to_date(username: str) -> str:
    return f"The user {username!r} is up to date."


def _correct(user: Any, username: str, email: str, role: Any) -> list[str]:
    changed = []
    for attribute, wanted in (("username", username), ("email", email), ("active", True)):
        if getattr(user, attribute) != wanted:
            setattr(user, attribute, wanted)
            changed.append(attribute)
    if role not in user.roles:
        user.roles = [*user.roles, role]
        changed.append("role")
    return changed


def _has_password(user: Any, password: str) -> bool:
    from werkzeug.security import check_password_hash

    return bool(check_password_hash(user.password, password))


@contextmanager
def _one_at_a_time(connection_url: str) -> Iterator[Any]:
    """Take turns: creating FAB's roles twice at the same time violates unique constraints."""
    from sqlalchemy import create_engine, text
    from sqlalchemy.pool import NullPool

    engine = create_engine(connection_url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        # Closing the connection releases the lock, also when this process is killed.
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": ADVISORY_LOCK})
        yield connection


def _setting(name: str) -> str:
    value = os.environ.get(name)
    if not value:
        raise MissingSettingError(f"the environment variable {name} is not set")
    return value
