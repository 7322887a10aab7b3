"""The images on this machine: when they differ, and what they run."""

import json
from pathlib import Path

import pytest

from commands import airflow_image
from commands.airflow_image import CURRENT, PREVIOUS, Edition
from commands.workspace import Workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path, 1, 2, 3, 4)


def test_editions_with_other_sources_are_other_images():
    editions = [CURRENT, PREVIOUS, Edition("airflow", CURRENT.lock, "print('broken')")]
    assert len({airflow_image.uri(edition) for edition in editions}) == 3


def test_edition_of_another_checkout_has_the_package_of_that_checkout(
    workspace: Workspace, tmp_path: Path
):
    former = Edition("airflow", CURRENT.lock, root=tmp_path / "former")
    former.source.mkdir(parents=True)
    (former.source / "module_of_then.py").write_text("then = True\n")

    assert airflow_image.uri(former) != airflow_image.uri(CURRENT)
    package = airflow_image.build(workspace, former)["env"]["PYTHONPATH"]
    assert [path.name for path in Path(package).glob("*.py")] == ["module_of_then.py"]


def test_pushed_edition_runs_in_its_own_environment(workspace: Workspace):
    airflow_image.push(workspace, CURRENT)
    airflow_image.push(workspace, PREVIOUS)
    registry = workspace.state_dir / "registry"
    pushed = {}
    for entry in registry.glob("*.json"):
        pushed.update(json.loads(entry.read_text()))
    assert set(pushed) == {airflow_image.uri(CURRENT), airflow_image.uri(PREVIOUS)}
    python, *words = pushed[airflow_image.uri(PREVIOUS)]["entrypoint"]
    assert "/airflow-previous/" in python
    assert words == ["-m", "airflow_on_fargate.entrypoint"]


def test_edition_runs_its_program_when_it_has_one(workspace: Workspace):
    built = airflow_image.build(workspace, Edition("airflow", CURRENT.lock, "print('broken')"))
    assert built["entrypoint"][1:] == ["-c", "print('broken')"]
