"""Airflow's migration and the first user in one process."""

import sys

import pytest

from airflow_on_fargate.users import admin, after_migration


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    steps: list[str] = []
    monkeypatch.setattr(sys, "argv", ["after_migration"])
    monkeypatch.setattr("airflow.__main__.main", lambda: steps.append(" ".join(sys.argv)))
    monkeypatch.setattr(admin, "main", lambda *words: steps.append(f"user {words}") or 0)
    return steps


@pytest.mark.parametrize("arguments", [[], ["team@example.com"]])
def test_migrates_before_it_makes_the_user(done: list[str], arguments: list[str]) -> None:
    assert after_migration.main(arguments) == 0
    assert done == ["airflow db migrate", f"user {tuple(arguments)}"]


def test_makes_no_user_when_the_migration_fails(
    done: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise RuntimeError("a migration failed")

    monkeypatch.setattr("airflow.__main__.main", fail)
    with pytest.raises(RuntimeError):
        after_migration.main([])
    assert done == []
