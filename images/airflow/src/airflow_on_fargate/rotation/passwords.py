"""Rotation of passwords.

PostgreSQL has one password for a user and checks it at every new connection, so a change would
lock out every task that started before it. With two users with the same rights there is no such
moment: the one that is not in use gets the new password, and all processes switch to it.
"""

import os
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from airflow_on_fargate.celery import result_backend
from airflow_on_fargate.database import owner
from airflow_on_fargate.database.roles import opens, set_password
from airflow_on_fargate.rotation.context import RotationContext, random_text
from airflow_on_fargate.rotation.errors import RotationError
from airflow_on_fargate.users import admin

PASSWORD_LENGTH: Final = 40
# After this time SQS delivers a task to another worker, so none runs longer on the first.
LONGEST_TASK_SECONDS: Final = 43_200.0
_PREFIX: Final = "db+"


def rotate_database_password(context: RotationContext, _wait_seconds: float | None) -> None:
    """The password that Airflow has for the metadata database."""
    _switch_users(context, "database", owner.USERS, lambda _since: None)


def rotate_result_backend_password(context: RotationContext, wait_seconds: float | None) -> None:
    """The password that workers have for Celery's results.

    A worker keeps the one it started with, and may be busy for hours, so the old password is
    replaced when the last such worker has exited.
    """

    def wait_for_workers(switched: datetime) -> None:
        context.say("Waiting until workers with the old password have exited")
        seconds = LONGEST_TASK_SECONDS if wait_seconds is None else wait_seconds
        context.workers.wait_until_gone(switched, seconds)

    _switch_users(context, "result-backend", result_backend.USERS, wait_for_workers)
    # No worker of an earlier version is left.
    results = _url(context.secrets["result-backend-url"].value())
    result_backend.drop_former(context.master_url(), results.database)


def rotate_master_password(context: RotationContext, _wait_seconds: float | None) -> None:
    """The password of the database's master user, which no running task has."""
    secret = context.secrets["database-master-password"]
    url = context.master_url()
    if opens(url):
        # Stored first: if this run is interrupted, the next one finds both values.
        previous, new = url, random_text(PASSWORD_LENGTH)
        secret.put(new)
    else:
        previous, new = url.set(password=secret.previous()), url.password
        if not opens(previous):
            raise RotationError("the database rejects the master user's current and last password")
    with owner.administering(previous) as connection:
        set_password(connection, previous.username, new)


def rotate_admin_password(context: RotationContext, _wait_seconds: float | None) -> None:
    """The first user's password, in its secret and in Airflow."""
    password = random_text(24)
    context.secrets["admin-password"].put(password)
    os.environ["ADMIN_PASSWORD"] = password
    if admin.main(reset_password=True):
        raise RotationError("Airflow does not have the new password yet")


def _switch_users(
    context: RotationContext,
    name: str,
    users: tuple[str, str],
    before_the_end: Callable[[datetime], None],
) -> None:
    """A new password for both users of a URL; processes switch from one user to the other."""
    url_secret = context.secrets[f"{name}-url"]
    password_secret = context.secrets[f"{name}-password"]
    text = url_secret.value()
    prefix = _PREFIX if text.startswith(_PREFIX) else ""
    url = _url(text)
    password = password_secret.value()
    master = context.master_url()
    if password == url.password and not _still_opens(url_secret.previous(), password, users):
        password = random_text(PASSWORD_LENGTH)
        # Stored before any other change, so that an interrupted run can be recognized.
        password_secret.put(password)
    if password != url.password:
        context.say("Giving the other of the two users a new password and switching to it")
        url = url.set(username=_other(url.username, users), password=password)
        with owner.administering(master) as connection:
            set_password(connection, url.username, password)
        url_secret.put(prefix + _text(url))
    switched = datetime.now(UTC)
    context.restart()
    before_the_end(switched)
    with owner.administering(master) as connection:
        set_password(connection, _other(url.username, users), password)


def _still_opens(previous: str, password: str, users: tuple[str, str]) -> bool:
    """Whether the previous URL still works with another password, which must then be replaced."""
    if not previous:
        return False
    url = _url(previous)
    # Not the user of an earlier version of this stack.
    return url.username in users and url.password != password and opens(url)


def _other(user: str, users: tuple[str, str]) -> str:
    first, second = users
    return second if user == first else first


def _url(text: str) -> Any:
    from sqlalchemy.engine import make_url

    return make_url(text.removeprefix(_PREFIX))


def _text(url: Any) -> str:
    return str(url.render_as_string(hide_password=False))
