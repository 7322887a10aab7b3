"""What Airflow does with the files of the plugins folder, which the builder's checks rely on."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from airflow._shared.plugins_manager.plugins_manager import _load_plugins_from_plugin_directory

PLUGIN = (
    "from airflow.plugins_manager import AirflowPlugin\nclass P(AirflowPlugin):\n    name='p'\n"
)


@pytest.fixture
def modules() -> Iterator[None]:
    before = dict(sys.modules)
    yield
    sys.modules.clear()
    sys.modules.update(before)


def load(folder: Path, **files: str) -> tuple[list[str], dict[str, str]]:
    for name, text in files.items():
        path = folder / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    plugins, errors = _load_plugins_from_plugin_directory(plugins_folder=str(folder))
    return [str(plugin.name) for plugin in plugins], errors


def test_relative_import_of_a_plugin_fails(tmp_path: Path, modules: None) -> None:
    found, errors = load(tmp_path, acme__plugin=f"from .base import X\n{PLUGIN}", acme__base="X=1")

    assert found == []
    assert "relative import" in errors[str(tmp_path / "acme/plugin.py")]


def test_file_takes_the_place_of_the_module_of_its_name(tmp_path: Path, modules: None) -> None:
    load(tmp_path, acme__colorsys="MINE = True\n")

    assert sys.modules["colorsys"].MINE


def test_files_of_airflowignore_are_not_loaded(tmp_path: Path, modules: None) -> None:
    (tmp_path / ".airflowignore").write_text("acme/\n")

    assert load(tmp_path, acme__plugin=PLUGIN, own=PLUGIN)[0] == ["p"]


def test_folder_that_does_not_exist_has_no_plugins(tmp_path: Path) -> None:
    assert load(tmp_path / "none") == ([], {})
