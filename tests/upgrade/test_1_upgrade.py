"""Upgrades between two Airflows with different schemas: two that fail and roll back, one that
succeeds. All in class micro, whose control plane is one task.

The tests share one stack, in their order: the stack that is upgraded successfully has survived two
failed upgrades.
"""

import threading
import time
from pathlib import Path

from commands import airflow_image, smoke
from commands.airflow_image import CURRENT, PREVIOUS, Edition
from commands.workspace import ROOT
from tests.upgrade.conftest import BROKEN_MIGRATION, BROKEN_SCHEDULER, COMPACT, Stack


def test_the_two_versions_need_different_schemas(stack: Stack) -> None:
    older, newer = stack.needed_heads(PREVIOUS), stack.needed_heads(CURRENT)
    assert older["alembic_version"] != newer["alembic_version"]
    assert stack.heads() == older
    assert stack.version().startswith("3.2.")


def test_control_plane_is_one_task_of_three_containers(stack: Stack) -> None:
    containers = stack.containers().items()
    assert {name: [one["name"] for one in group] for name, group in containers} == COMPACT
    assert stack.serves()


def test_old_version_serves_when_a_service_fails_after_the_migration(stack: Stack) -> None:
    reasons = stack.fail_to_deploy(Edition("airflow", CURRENT.lock, BROKEN_SCHEDULER))

    assert "ControlPlaneService: " in reasons
    assert "Circuit Breaker" in reasons
    _assert_the_old_version_serves(stack)


def test_old_version_serves_when_the_migration_fails_halfway(stack: Stack) -> None:
    halfway = BROKEN_MIGRATION.replace("REVISION", _revision_between())
    reasons = stack.fail_to_deploy(Edition("airflow", CURRENT.lock, halfway))

    assert "breaks off on purpose" in reasons
    _assert_the_old_version_serves(stack)


def test_running_task_succeeds_during_the_upgrade(stack: Stack) -> None:
    run_id = stack.start("minute")
    stack.wait_for_task("minute", run_id, "running", 120)
    away = _Watch(stack)

    begun = time.monotonic()
    stack.deploy(CURRENT)
    print(f"upgraded in {time.monotonic() - begun:.0f} s")

    assert stack.heads() == stack.needed_heads(CURRENT)
    assert stack.version().startswith("3.3.")
    stack.wait_for_task("minute", run_id, "success", 180)
    print(f"the API server was away for {away.end():.0f} s")
    (instance,) = stack.api().task_instances("minute", run_id)
    assert instance["try_number"] == 1
    smoke.wait_healthy(stack.outputs)
    assert stack.serves()
    stack.run("smoke_classic")


def _assert_the_old_version_serves(stack: Stack) -> None:
    assert stack.status() == "UPDATE_ROLLBACK_COMPLETE"
    assert stack.heads() == stack.needed_heads(PREVIOUS)
    smoke.wait_healthy(stack.outputs)
    assert stack.version().startswith("3.2.")
    assert stack.images() == {airflow_image.uri(PREVIOUS)}
    assert stack.serves()
    stack.run("smoke_classic")


def _revision_between() -> str:
    """The revision of a migration between the two heads, from its file."""
    (folder,) = (ROOT / ".venv" / "airflow" / "lib").glob(
        "python*/site-packages/airflow/migrations/versions"
    )
    newer = sorted(path for path in folder.glob("*_3_3_0_*.py"))
    return _assigned_revision(newer[len(newer) // 2])


def _assigned_revision(path: Path) -> str:
    (line,) = [one for one in path.read_text().splitlines() if one.startswith("revision = ")]
    return line.split('"')[1]


class _Watch:
    """Measures how long the API server does not respond."""

    def __init__(self, stack: Stack) -> None:
        self._url = stack.outputs["AirflowUrl"]
        self._away = 0.0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._done.wait(1):
            begun = time.monotonic()
            if not smoke.health(self._url):
                self._away += 1 + time.monotonic() - begun

    def end(self) -> float:
        self._done.set()
        self._thread.join(10)
        return self._away
