"""Rotation of passwords on a real PostgreSQL: every URL in use works at any moment."""

import sys
import uuid
from pathlib import Path
from typing import Any

import pytest

from airflow_on_fargate.celery import result_backend
from airflow_on_fargate.database.roles import connected, opens, set_password
from airflow_on_fargate.rotation import passwords

sys.path.append(str(Path(__file__).parents[2] / "unit" / "image" / "rotation"))
from rotation_doubles import InterruptedRunError, context


class Stack:
    """The URLs that running tasks have, restart by restart."""

    def __init__(self, metadata: Any, results: Any) -> None:
        self.interrupt_at = 0
        self.restarts = 0
        self.context = context(
            self.restart,
            database_url=passwords._text(metadata),
            database_password=metadata.password,
            result_backend_url="db+" + passwords._text(results),
            result_backend_password=results.password,
        )
        self.held = self.urls()

    def urls(self) -> list[Any]:
        names = ("database-url", "result-backend-url")
        return [passwords._url(self.context.secrets[name].value()) for name in names]

    def restart(self) -> None:
        """Tasks from before and after the restart open new connections and work."""
        now = self.urls()
        for metadata, results in (self.held, now):
            with connected(metadata) as connection:
                connection.exec_driver_sql("INSERT INTO connection VALUES ('x')")
                connection.exec_driver_sql("DELETE FROM connection")
            with connected(results) as connection:
                connection.exec_driver_sql(
                    "INSERT INTO task_results (task_id, status) VALUES (%s, 'SUCCESS')",
                    (uuid.uuid4().hex,),
                )
        self.restarts += 1
        if self.restarts == self.interrupt_at:
            raise InterruptedRunError
        self.held = now

    def value(self, name: str) -> str:
        return str(self.context.secrets[name].value())


@pytest.fixture
def stack(metadata: Any, results: Any) -> Stack:
    result_backend.ensure(metadata, results)
    return Stack(metadata, results)


def roles(postgres_url: Any) -> set[str]:
    with connected(postgres_url) as connection:
        return set(connection.exec_driver_sql("SELECT rolname FROM pg_roles").scalars())


def test_database_rotation_gives_the_owner_a_new_password(stack: Stack, metadata: Any) -> None:
    passwords.rotate_database_password(stack.context, None)

    url, _ = stack.urls()
    assert url.username == "airflow"
    assert url.password != "first"
    # CloudFormation composes the URL from it, and passes it to RDS.
    assert stack.value("database-password") == url.password
    assert not opens(metadata)
    assert passwords.STAND_IN not in roles(url)
    stack.restart()


def test_stand_in_cannot_change_tables(stack: Stack) -> None:
    stack.interrupt_at = 1
    with pytest.raises(InterruptedRunError):
        passwords.rotate_database_password(stack.context, None)

    url, _ = stack.urls()
    assert url.username == passwords.STAND_IN
    with connected(url) as connection, pytest.raises(Exception, match="must be owner"):
        connection.exec_driver_sql("DROP TABLE connection")


@pytest.mark.parametrize("restart", [1, 2])
def test_interrupted_database_rotation_continues(stack: Stack, metadata: Any, restart: int) -> None:
    stack.interrupt_at = restart
    with pytest.raises(InterruptedRunError):
        passwords.rotate_database_password(stack.context, None)
    new = stack.urls()[0].password

    passwords.rotate_database_password(stack.context, None)

    assert stack.urls()[0] == metadata.set(password=new)
    assert passwords.STAND_IN not in roles(stack.urls()[0])


def test_interrupted_database_rotation_continues_when_only_the_owner_had_the_password(
    stack: Stack, metadata: Any
) -> None:
    stack.interrupt_at = 1
    with pytest.raises(InterruptedRunError):
        passwords.rotate_database_password(stack.context, None)
    # That restart finished nevertheless; the next step was half done.
    stack.held = stack.urls()
    new = stack.urls()[0].password
    with connected(metadata) as owner:
        set_password(owner, "airflow", new)

    passwords.rotate_database_password(stack.context, None)

    assert stack.urls()[0] == metadata.set(password=new)


def test_second_database_rotation_sets_another_password(stack: Stack) -> None:
    seen = {stack.value("database-password")}
    for _ in range(2):
        passwords.rotate_database_password(stack.context, None)
        seen.add(stack.value("database-password"))
    assert len(seen) == 3


def test_result_rotation_gives_both_users_the_new_password(stack: Stack, results: Any) -> None:
    passwords.rotate_result_backend_password(stack.context, 7)

    _, url = stack.urls()
    assert url.username == "result_writer_2"
    assert url.password == stack.value("result-backend-password") != "second"
    # The URL that CloudFormation would compose works as well.
    assert opens(url.set(username="result_writer"))
    assert not opens(results)
    assert stack.context.workers.waited == [7]


def test_old_workers_can_report_until_the_result_rotation_ends(
    stack: Stack, results: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = []
    monkeypatch.setattr(
        stack.context.workers,
        "wait_until_gone",
        lambda *_: opened.append(opens(results)),
    )
    passwords.rotate_result_backend_password(stack.context, None)
    assert opened == [True]


def test_interrupted_result_rotation_continues(stack: Stack) -> None:
    stack.interrupt_at = 1
    with pytest.raises(InterruptedRunError):
        passwords.rotate_result_backend_password(stack.context, 7)
    _, new = stack.urls()

    passwords.rotate_result_backend_password(stack.context, 7)

    assert stack.urls()[1] == new
    assert opens(new.set(username="result_writer"))


def test_result_rotation_works_when_the_other_user_is_from_a_snapshot(
    stack: Stack, metadata: Any, results: Any
) -> None:
    with connected(metadata) as owner:
        set_password(owner, "result_writer_2", "that of another stack")

    passwords.rotate_result_backend_password(stack.context, 7)

    assert not opens(results)
    assert stack.value("result-backend-password") not in ("second", "that of another stack")


def test_result_rotation_works_when_cloudformation_composed_the_url_again(
    stack: Stack, results: Any
) -> None:
    passwords.rotate_result_backend_password(stack.context, 7)
    first = stack.value("result-backend-password")
    composed = "db+" + passwords._text(results.set(password=first))
    stack.context.secrets["result-backend-url"].put(composed)
    stack.held = stack.urls()

    passwords.rotate_result_backend_password(stack.context, 7)

    assert stack.value("result-backend-password") != first
    assert not opens(results.set(password=first))


def test_deployment_after_a_rotation_keeps_the_new_password(stack: Stack, metadata: Any) -> None:
    passwords.rotate_result_backend_password(stack.context, 7)
    _, url = stack.urls()

    result_backend.ensure(metadata, url)
    result_backend.ensure(metadata, url.set(username="result_writer"))

    assert opens(url)
