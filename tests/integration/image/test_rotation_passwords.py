"""Rotation of passwords on a real PostgreSQL: every URL in use works at any moment."""

import sys
import uuid
from pathlib import Path
from typing import Any

import pytest

from airflow_on_fargate.celery import result_backend
from airflow_on_fargate.database.roles import connected, opens, set_password
from airflow_on_fargate.rotation import passwords
from airflow_on_fargate.rotation.errors import RotationError

sys.path.append(str(Path(__file__).parents[2] / "unit" / "image" / "rotation"))
from rotation_doubles import InterruptedRunError, context

from tests.integration.image.conftest import make_former_backend


class Stack:
    """The URLs that running tasks have, restart by restart."""

    def __init__(self, metadata: Any, airflow: Any, results: Any) -> None:
        self.interrupt_at = 0
        self.restarts = 0
        self.context = context(
            self.restart,
            database_url=passwords._text(airflow),
            database_password=airflow.password,
            database_master_password=metadata.password,
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
                # A migration would do this.
                connection.exec_driver_sql("CREATE TABLE new (x int)")
                connection.exec_driver_sql("DROP TABLE new")
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
def stack(metadata: Any, airflow: Any, results: Any) -> Stack:
    result_backend.ensure(metadata, results)
    return Stack(metadata, airflow, results)


def test_database_rotation_gives_both_users_the_new_password(stack: Stack, airflow: Any) -> None:
    passwords.rotate_database_password(stack.context, None)

    url, _ = stack.urls()
    assert url.username == "airflow_app_2"
    assert url.password == stack.value("database-password") != "third"
    # The URL that CloudFormation would compose works as well.
    assert opens(url.set(username="airflow_app"))
    assert not opens(airflow)
    assert stack.restarts == 1
    stack.restart()


def test_interrupted_database_rotation_continues(stack: Stack, airflow: Any) -> None:
    stack.interrupt_at = 1
    with pytest.raises(InterruptedRunError):
        passwords.rotate_database_password(stack.context, None)
    new = stack.urls()[0]
    assert opens(airflow)

    passwords.rotate_database_password(stack.context, None)

    assert stack.urls()[0] == new
    assert not opens(airflow)


def test_second_database_rotation_sets_another_password(stack: Stack) -> None:
    seen = {stack.value("database-password")}
    for _ in range(2):
        passwords.rotate_database_password(stack.context, None)
        seen.add(stack.value("database-password"))
    assert len(seen) == 3


def test_first_database_rotation_after_the_update_sets_a_new_password(
    stack: Stack, metadata: Any
) -> None:
    # The secret's previous value names the master user, whose password is still right.
    secret: Any = stack.context.secrets["database-url"]
    secret.versions.insert(0, passwords._text(metadata))
    passwords.rotate_database_password(stack.context, None)
    assert stack.value("database-password") != "third"


def test_master_rotation_sets_a_new_password(stack: Stack, metadata: Any) -> None:
    passwords.rotate_master_password(stack.context, None)
    assert not opens(metadata)
    assert opens(stack.context.master_url())
    assert stack.restarts == 0


def test_interrupted_master_rotation_continues(stack: Stack, metadata: Any) -> None:
    # It ended after the secret was written.
    stack.context.secrets["database-master-password"].put("new")
    passwords.rotate_master_password(stack.context, None)
    assert stack.value("database-master-password") == "new"
    assert opens(metadata.set(password="new"))


def test_master_rotation_fails_when_the_database_knows_neither_password(stack: Stack) -> None:
    secret = stack.context.secrets["database-master-password"]
    secret.put("one")
    secret.put("two")
    with pytest.raises(RotationError, match="rejects the master user's current and last password"):
        passwords.rotate_master_password(stack.context, None)


def test_result_rotation_gives_both_users_the_new_password(stack: Stack, results: Any) -> None:
    passwords.rotate_result_backend_password(stack.context, 7)

    _, url = stack.urls()
    assert url.username == "result_backend_2"
    assert url.password == stack.value("result-backend-password") != "second"
    # The URL that CloudFormation would compose works as well.
    assert opens(url.set(username="result_backend"))
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
    assert opens(new.set(username="result_backend"))


def test_result_rotation_works_when_the_other_user_is_from_a_snapshot(
    stack: Stack, metadata: Any, results: Any
) -> None:
    with connected(metadata) as owner:
        set_password(owner, "result_backend_2", "that of another stack")

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


def test_result_rotation_removes_what_workers_of_the_former_version_used(
    stack: Stack, metadata: Any, results: Any
) -> None:
    make_former_backend(metadata, results)
    result_backend.ensure(metadata, results)

    passwords.rotate_result_backend_password(stack.context, 7)

    assert not opens(results)
    with connected(metadata.set(database="result_backend")) as connection:
        tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        assert connection.exec_driver_sql(tables).scalars().all() == ["task_results"]
        states = connection.exec_driver_sql("SELECT count(*) FROM task_states").scalar()
        assert states == 2


def test_deployment_after_a_rotation_keeps_the_new_password(stack: Stack, metadata: Any) -> None:
    passwords.rotate_result_backend_password(stack.context, 7)
    _, url = stack.urls()

    result_backend.ensure(metadata, url)
    result_backend.ensure(metadata, url.set(username="result_backend"))

    assert opens(url)
