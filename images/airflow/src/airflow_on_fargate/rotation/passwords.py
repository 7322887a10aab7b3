"""Rotation of passwords.

PostgreSQL has one password for a user and checks it at every new connection, so a change would
lock out every task that started before it. With two users with the same rights there is no such
moment: the one that is not in use gets the new password, and all processes switch to it.
"""

import os
from datetime import UTC, datetime
from typing import Any, Final

from airflow_on_fargate.celery.result_backend import USERS as RESULT_USERS
from airflow_on_fargate.celery.result_backend import connected, set_password
from airflow_on_fargate.rotation.context import RotationContext, random_text
from airflow_on_fargate.rotation.errors import RotationError
from airflow_on_fargate.users import admin

PASSWORD_LENGTH: Final = 40
# Exists only while the owner's password is replaced. It may read and write Airflow's tables, but
# not change their structure.
STAND_IN: Final = "airflow_in_rotation"
# After this time SQS delivers a task to another worker, so none runs longer on the first.
LONGEST_TASK_SECONDS: Final = 43_200.0
_PREFIX: Final = "db+"


def rotate_database_password(context: RotationContext, _wait_seconds: float | None) -> None:
    """The password of the metadata database's owner.

    All services switch to a stand-in user with the new password, the owner gets that password, and
    all switch back. The URL names the stand-in in between, which shows how far the rotation came.
    """
    url_secret = context.secrets["database-url"]
    password_secret = context.secrets["database-password"]
    url = context.database_url()
    if url.username != STAND_IN and not _named_stand_in(url_secret.previous()):
        context.say("Switching to a stand-in user with a new password")
        stand_in = url.set(username=STAND_IN, password=random_text(PASSWORD_LENGTH))
        with connected(url) as owner:
            _make_stand_in(owner, stand_in)
        url_secret.put(_text(stand_in))
        url = stand_in
    if url.username == STAND_IN:
        context.restart()
        context.say("Giving the owner the new password and switching back")
        owner_name = _owner(url)
        known = {url.password, password_secret.value()}
        with _first_that_opens([url.set(username=owner_name, password=p) for p in known]) as owner:
            set_password(owner, owner_name, url.password)
        password_secret.put(url.password)
        url = url.set(username=owner_name)
        url_secret.put(_text(url))
    context.restart()
    with connected(url) as owner:
        _drop_stand_in(owner, url.database)
    # The same value again: the previous value then names no stand-in, so the rotation is over.
    url_secret.put(_text(url))


def rotate_result_backend_password(context: RotationContext, wait_seconds: float | None) -> None:
    """The password that workers have for Celery's results.

    There are two users. A worker keeps the one it started with, and may be busy for hours, so the
    old password is replaced when the last such worker has exited.
    """
    url_secret = context.secrets["result-backend-url"]
    password_secret = context.secrets["result-backend-password"]
    url = _url(url_secret.value())
    password = password_secret.value()
    owner_url = context.database_url()
    if owner_url.username == STAND_IN:
        raise RotationError("the rotation of database-password is not finished")
    if password == url.password and not _still_opens(url_secret.previous(), password):
        password = random_text(PASSWORD_LENGTH)
        # Stored before any other change, so that an interrupted run can be recognized.
        password_secret.put(password)
    if password != url.password:
        context.say("Giving the other of the two users a new password and switching to it")
        url = url.set(username=_other(url.username), password=password)
        with connected(owner_url) as owner:
            set_password(owner, url.username, password)
        url_secret.put(_PREFIX + _text(url))
    now = datetime.now(UTC)
    context.restart()
    context.say("Waiting until workers with the old password have exited")
    seconds = LONGEST_TASK_SECONDS if wait_seconds is None else wait_seconds
    context.workers.wait_until_gone(now, seconds)
    with connected(owner_url) as owner:
        set_password(owner, _other(url.username), password)


def rotate_admin_password(context: RotationContext, _wait_seconds: float | None) -> None:
    """The first user's password, in its secret and in Airflow."""
    password = random_text(24)
    context.secrets["admin-password"].put(password)
    os.environ["ADMIN_PASSWORD"] = password
    if admin.main(reset_password=True):
        raise RotationError("Airflow does not have the new password yet")


def _make_stand_in(owner: Any, url: Any) -> None:
    set_password(owner, STAND_IN, url.password)
    for statement in (
        f'GRANT CONNECT ON DATABASE "{url.database}" TO {STAND_IN}',
        f"GRANT USAGE ON SCHEMA public TO {STAND_IN}",
        f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {STAND_IN}",
        f"GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {STAND_IN}",
    ):
        owner.exec_driver_sql(statement)


def _drop_stand_in(owner: Any, database: str) -> None:
    query = "SELECT 1 FROM pg_roles WHERE rolname = %s"
    if owner.exec_driver_sql(query, (STAND_IN,)).first() is None:
        return
    for statement in (
        f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {STAND_IN}",
        f"REVOKE ALL ON ALL SEQUENCES IN SCHEMA public FROM {STAND_IN}",
        f"REVOKE ALL ON SCHEMA public FROM {STAND_IN}",
        f'REVOKE ALL ON DATABASE "{database}" FROM {STAND_IN}',
        f"DROP ROLE {STAND_IN}",
    ):
        owner.exec_driver_sql(statement)


def _owner(url: Any) -> str:
    """The database's owner, which the stand-in replaces for a while."""
    query = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()"
    with connected(url) as connection:
        return str(connection.exec_driver_sql(query).scalar())


def _first_that_opens(urls: list[Any]) -> Any:
    for url in urls:
        if _opens(url):
            return connected(url)
    raise RotationError("the database rejects both the old and the new password of its owner")


def _opens(url: Any) -> bool:
    from sqlalchemy.exc import OperationalError

    try:
        connected(url).close()
    except OperationalError:
        return False
    return True


def _still_opens(previous: str, password: str) -> bool:
    """Whether the previous URL still works with another password, which must then be replaced."""
    if not previous:
        return False
    url = _url(previous)
    return url.password != password and _opens(url)


def _other(user: str) -> str:
    first, second = RESULT_USERS
    return second if user == first else first


def _named_stand_in(text: str) -> bool:
    return bool(text) and _url(text).username == STAND_IN


def _url(text: str) -> Any:
    from sqlalchemy.engine import make_url

    return make_url(text.removeprefix(_PREFIX))


def _text(url: Any) -> str:
    return str(url.render_as_string(hide_password=False))
