"""The layout of the source folders: no import circles, no crowded packages."""

from pathlib import Path

import pytest
from import_graph import import_circles, import_graph, modules_by_package

ROOT = Path(__file__).resolve().parents[3]
# The folders to which the rules apply.
SOURCES = ("functions", "images/airflow/src", "local", "bench", "checks/src")
MAX_MODULES = 14


@pytest.mark.parametrize("source", SOURCES)
def test_modules_do_not_import_each_other_in_a_circle(source):
    assert import_circles(ROOT / source) == []


@pytest.mark.parametrize("source", SOURCES)
def test_no_package_holds_too_many_modules(source):
    crowded = {
        package: len(modules)
        for package, modules in modules_by_package(ROOT / source).items()
        if len(modules) > MAX_MODULES
    }
    assert crowded == {}


def test_the_logic_of_the_functions_imports_no_aws_library():
    """Adapters are in `aws/`; handlers and the wiring may import them, nothing else does."""
    folder = ROOT / "functions"
    for module, imported in import_graph(folder).items():
        parts = module.split(".")
        if "aws" in parts or parts[-1] in ("handler", "wiring"):
            continue
        assert not [name for name in imported if "aws" in name.split(".")], module
        path = folder.joinpath(*parts)
        file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        lines = file.read_text().splitlines()
        assert not [line for line in lines if line.startswith(("import boto", "from boto"))], module


def test_an_import_circle_is_found(tmp_path):
    (tmp_path / "package" / "inner").mkdir(parents=True)
    files = {
        "package/__init__.py": "",
        "package/inner/__init__.py": "",
        "package/one.py": "def late():\n    from package.inner import two\n",
        "package/inner/two.py": (
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from ..three import name\n"
        ),
        "package/three.py": "import package.one\n",
        "package/apart.py": "import json\nfrom package.one import late\n",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert import_circles(tmp_path) == [("package.inner.two", "package.one", "package.three")]
