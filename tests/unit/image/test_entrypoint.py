"""What the entrypoint runs."""

import os
import sys
from pathlib import Path

import pytest

from airflow_on_fargate import entrypoint, heartbeat


class BecameError(Exception):
    """Simulates exec, which replaces this process."""


@pytest.fixture
def became(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    command: list[str] = []

    def execv(program: str, arguments: list[str]) -> None:
        command.extend(arguments)
        raise BecameError(program)

    monkeypatch.setattr("os.execv", execv)
    monkeypatch.setattr("os.environ", {"AIRFLOW_HOME": str(tmp_path)})
    return command


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        (["celery", "worker"], ["airflow_on_fargate.component", "celery", "worker"]),
        (["celery", "flower"], ["airflow_on_fargate.flower", "celery", "flower"]),
        (["db", "check"], ["airflow", "db", "check"]),
        (["scheduler"], ["airflow_on_fargate.component", "scheduler"]),
        (["api-server"], ["airflow_on_fargate.component", "api-server"]),
        (["dag-processor"], ["airflow_on_fargate.component", "dag-processor"]),
        (["triggerer"], ["airflow_on_fargate.component", "triggerer"]),
    ],
)
def test_runs_airflow_with_its_arguments(
    arguments: list[str], command: list[str], became: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airflow_on_fargate.schema.readiness.wait", lambda _: None)
    with pytest.raises(BecameError):
        entrypoint.main(arguments)
    assert became == [sys.executable, "-m", *command]


@pytest.mark.parametrize("component", ["api-server", "scheduler", "dag-processor", "triggerer"])
def test_waits_for_the_schema_when_the_component_needs_it(
    component: str, became: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[tuple[str, bool]] = []
    monkeypatch.setattr(
        "airflow_on_fargate.schema.readiness.wait", lambda name: waited.append((name, not became))
    )
    with pytest.raises(BecameError):
        entrypoint.main([component])
    assert waited == [(component, True)]


@pytest.mark.parametrize("arguments", [["celery", "worker"], ["db", "check"], ["dags", "list"]])
def test_does_not_wait_for_the_schema_when_the_command_does_not_need_it(
    arguments: list[str], became: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airflow_on_fargate.schema.readiness.wait", lambda _: pytest.fail("waited"))
    with pytest.raises(BecameError):
        entrypoint.main(arguments)


def test_removes_only_its_own_old_heartbeat(became: list[str]) -> None:
    heartbeat.beat("worker")
    heartbeat.beat("triggerer")
    with pytest.raises(BecameError):
        entrypoint.main(["celery", "worker"])
    assert heartbeat.age("worker") is None
    assert heartbeat.age("triggerer") is not None


def test_exits_with_the_reason_when_the_configuration_is_malformed(
    became: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(os.environ, "AIRFLOW_CONFIGURATION", "{")
    with pytest.raises(SystemExit, match="AIRFLOW_CONFIGURATION is not valid JSON"):
        entrypoint.main(["scheduler"])
    assert became == []


def test_says_what_is_expected_without_arguments() -> None:
    with pytest.raises(SystemExit, match="arguments of an Airflow command"):
        entrypoint.main([])


@pytest.mark.parametrize("words", [["db", "migrate"], ["rotate-fernet-key"]])
def test_command_that_changes_the_whole_database_takes_a_turn(
    words: list[str], became: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airflow_on_fargate.database.turn.run", lambda given: len(given))
    with pytest.raises(SystemExit) as exit_:
        entrypoint.main(words)
    assert exit_.value.code == len(words)
    assert became == []


@pytest.mark.parametrize(
    ("command", "function", "words"),
    [("upgrade-schema", "upgrade", ()), ("restore-schema", "restore", ("alembic_version=a1",))],
)
def test_runs_the_schema_commands(
    command: str,
    function: str,
    words: tuple[str, ...],
    became: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[tuple[str, ...]] = []
    monkeypatch.setattr(
        f"airflow_on_fargate.schema.change.{function}", lambda *given: seen.append(given) or 2
    )
    with pytest.raises(SystemExit) as exit_:
        entrypoint.main([command, *words])
    assert exit_.value.code == 2
    assert (seen, became) == ([words], [])
