"""The admin user, against a stand-in for FAB's security manager."""

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import create_engine
from werkzeug.security import generate_password_hash

from airflow_on_fargate.users import admin

PASSWORD = "correct horse battery staple"


@dataclass
class User:
    username: str
    email: str
    password: str
    roles: list[str] = field(default_factory=list)
    active: bool = True
    id: int = 1


class InMemorySecurityManager:
    """Users and roles; counts what is written."""

    def __init__(self, *users: User, roles: tuple[str, ...] = ("Admin",)) -> None:
        self.users = list(users)
        self.roles = set(roles)
        self.writes: list[str] = []

    def find_role(self, name: str) -> str | None:
        return name if name in self.roles else None

    def sync_roles(self) -> None:
        self.roles.add("Admin")

    def find_user(self, username: str | None = None, email: str | None = None) -> User | None:
        return next((u for u in self.users if username == u.username or email == u.email), None)

    def add_user(self, username: str, *names_and: Any) -> None:
        _, _, email, role, password = names_and
        self.writes.append("add")
        self.users.append(User(username, email, generate_password_hash(password), [role]))

    def update_user(self, _: User) -> bool:
        self.writes.append("update")
        return True

    def reset_password(self, _: int, password: str) -> bool:
        self.writes.append("password")
        self.users[0].password = generate_password_hash(password)
        return True


def ensure(manager: InMemorySecurityManager) -> str:
    return admin.ensure(manager, "admin", "admin@example.com", PASSWORD)


def as_described() -> User:
    return User("admin", "admin@example.com", generate_password_hash(PASSWORD), ["Admin"])


def test_creates_the_user_when_there_is_none() -> None:
    manager = InMemorySecurityManager()
    assert "Created" in ensure(manager)
    [user] = manager.users
    assert (user.username, user.email, user.roles) == ("admin", "admin@example.com", ["Admin"])


def test_creates_the_roles_when_no_api_server_has_started() -> None:
    manager = InMemorySecurityManager(roles=())
    ensure(manager)
    assert manager.users[0].roles == ["Admin"]


def test_writes_nothing_when_the_user_is_as_described() -> None:
    manager = InMemorySecurityManager(as_described())
    assert "up to date" in ensure(manager)
    assert manager.writes == []


def test_password_that_was_changed_in_the_ui_survives_a_deployment() -> None:
    user = as_described()
    user.password = generate_password_hash("chosen by a person")
    before = user.password
    manager = InMemorySecurityManager(user)
    assert ensure(manager) == "The user 'admin' is up to date."
    assert (user.password, manager.writes) == (before, [])


def test_rotation_sets_the_password() -> None:
    user = as_described()
    user.password = generate_password_hash("old")
    manager = InMemorySecurityManager(user)

    def rotate() -> str:
        return admin.ensure(manager, "admin", "admin@example.com", PASSWORD, reset_password=True)

    assert rotate() == "Updated the user 'admin': password."
    assert rotate() == "The user 'admin' is up to date."


def test_user_without_a_password_gets_one() -> None:
    user = as_described()
    user.password = ""
    assert ensure(InMemorySecurityManager(user)) == "Updated the user 'admin': password."


def test_restores_the_role_and_keeps_others() -> None:
    user = as_described()
    user.roles, user.active = ["Viewer"], False
    manager = InMemorySecurityManager(user)
    assert ensure(manager) == "Updated the user 'admin': active, role."
    assert user.roles == ["Viewer", "Admin"]


def test_keeps_the_account_when_only_the_name_changed() -> None:
    user = as_described()
    user.username = "root"
    manager = InMemorySecurityManager(user)
    ensure(manager)
    assert [u.username for u in manager.users] == ["admin"]


def test_account_keeps_its_address_when_none_is_given() -> None:
    manager = InMemorySecurityManager(as_described())
    assert "up to date" in admin.ensure(manager, "admin", None, PASSWORD)
    assert manager.users[0].email == "admin@example.com"


def test_new_account_gets_a_placeholder_when_no_address_is_given() -> None:
    manager = InMemorySecurityManager()
    admin.ensure(manager, "admin", None, PASSWORD)
    assert manager.users[0].email == "admin@localhost"
    # The address comes later.
    assert "email" in ensure(manager)
    assert manager.users[0].email == "admin@example.com"


def test_never_prints_the_password(capsys: pytest.CaptureFixture[str]) -> None:
    manager = InMemorySecurityManager()
    said = [ensure(manager), ensure(manager)]
    assert PASSWORD not in "".join(said) + capsys.readouterr().out


def test_names_the_variable_when_one_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "sqlite://")
    monkeypatch.setenv("ADMIN_USERNAME", "admin")
    monkeypatch.delenv("ADMIN_PASSWORD", raising=False)
    with pytest.raises(admin.MissingSettingError, match="ADMIN_PASSWORD"):
        admin.main()


def test_asks_for_the_migration_when_the_schema_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("ADMIN_USERNAME", "ADMIN_PASSWORD"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "sqlite://")
    assert admin.main("admin@example.com") == 1
    assert "db migrate" in capsys.readouterr().out


@pytest.fixture
def tables() -> Iterator[Any]:
    """FAB's tables with the user as described, as far as the query reads them."""
    with create_engine("sqlite://").connect() as connection:
        for statement in (
            "CREATE TABLE ab_user (id int, username text, email text, password text, active bool)",
            "CREATE TABLE ab_role (id int, name text)",
            "CREATE TABLE ab_user_role (user_id int, role_id int)",
            "INSERT INTO ab_user VALUES (1, 'admin', 'admin@example.com', 'hash', true)",
            "INSERT INTO ab_role VALUES (1, 'Admin'), (2, 'Viewer')",
            "INSERT INTO ab_user_role VALUES (1, 1), (1, 2)",
        ):
            connection.exec_driver_sql(statement)
        yield connection


@pytest.mark.parametrize("email", ["admin@example.com", "", None])
def test_one_query_finds_the_user_as_described(tables: Any, email: str | None) -> None:
    assert admin.is_as_described(tables, "admin", email)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE ab_user SET active = false",
        "UPDATE ab_user SET password = ''",
        "UPDATE ab_user SET password = NULL",
        "UPDATE ab_user SET email = 'other@example.com'",
        "UPDATE ab_user SET username = 'root'",
        "DELETE FROM ab_user_role WHERE role_id = 1",
        "DELETE FROM ab_user",
    ],
)
def test_one_query_finds_what_differs(tables: Any, change: str) -> None:
    tables.exec_driver_sql(change)
    assert not admin.is_as_described(tables, "admin", "admin@example.com")


class BuilderUsedError(Exception):
    """Airflow would be started."""


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch, tables: Any) -> None:
    """A database with the user; FAB's application raises."""

    def start() -> Any:
        raise BuilderUsedError

    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "sqlite://")
    monkeypatch.setenv("ADMIN_USERNAME", "admin")
    monkeypatch.setenv("ADMIN_PASSWORD", PASSWORD)
    monkeypatch.setattr("airflow_on_fargate.schema.alembic_heads.mismatch", lambda _: None)
    monkeypatch.setattr(admin, "_one_at_a_time", lambda _: nullcontext(tables))
    monkeypatch.setattr(
        "airflow.providers.fab.auth_manager.cli_commands.utils.get_application_builder", start
    )


@pytest.mark.usefixtures("started")
def test_airflow_is_not_started_when_the_user_is_as_described(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert admin.main("admin@example.com") == 0
    assert capsys.readouterr().out == "The user 'admin' is up to date.\n"


@pytest.mark.usefixtures("started")
def test_airflow_is_started_when_something_differs_or_a_rotation_sets_the_password() -> None:
    with pytest.raises(BuilderUsedError):
        admin.main("other@example.com")
    with pytest.raises(BuilderUsedError):
        admin.main("admin@example.com", reset_password=True)
