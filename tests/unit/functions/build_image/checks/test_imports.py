"""Imports of plugins, looked up among the files of the image."""

from pathlib import Path

import pytest
from image_parts import tar_of

from build_image.checks.imports import import_problems
from build_image.checks.modules import Modules
from build_image.errors import RegistryError

SITE_PACKAGES = "opt/venv/lib/python3.13/site-packages"
FILES = {
    "airflow/__init__.py": "__path__ = __import__('pkgutil').extend_path(__path__, __name__)",
    "airflow/models/__init__.py": "",
    "airflow/models/dag.py": "",
    "airflow/operators/__init__.py": "from x import add_deprecated_classes",
    "airflow/providers/http/__init__.py": "",
    "airflow/providers/http/hooks/http.py": "",
    "six.py": "import sys; sys.modules['six.moves'] = 1",
    "fast.cpython-313-x86_64-linux-gnu.so": "",
    "binary/__init__.cpython-313-x86_64-linux-gnu.so": "",
    "Some_Package-1.0.dist-info/METADATA": "",
    "other/__pycache__/gone.cpython-313.pyc": "",
}


@pytest.fixture
def modules(tmp_path: Path) -> Modules:
    layer = tmp_path / "layer"
    files = {f"{SITE_PACKAGES}/{name}": text for name, text in FILES.items()}
    layer.write_bytes(tar_of({**files, "opt/other/elsewhere.py": ""}))
    modules = Modules()
    modules.add_layer(layer)
    return modules


class Plugins:
    def __init__(self, folder: Path, modules: Modules) -> None:
        self.folder = folder
        self._modules = modules

    def problems(self, **files: str) -> list[str]:
        for name, text in files.items():
            path = self.folder / name.replace("__", "/")
            path = path.with_suffix("" if path.name.startswith(".") else ".py")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return import_problems(self.folder, "plugins", self._modules)


@pytest.fixture
def plugins(tmp_path: Path, modules: Modules) -> Plugins:
    folder = tmp_path / "plugins"
    folder.mkdir()
    return Plugins(folder, modules)


@pytest.mark.parametrize(
    "module",
    [
        "airflow", "airflow.models.dag", "airflow.operators.anything", "airflow.providers.http",
        "airflow.providers.http.hooks.http", "six.moves", "fast", "binary.part",
    ],
)  # fmt: skip
def test_module_that_may_exist_is_not_missing(modules: Modules, module: str) -> None:
    assert modules.missing(module) == ""


@pytest.mark.parametrize(
    ("module", "first"),
    [
        ("requests.sessions", "requests"),
        ("airflow.www.app", "airflow.www"),
        ("airflow.models.nosuch", "airflow.models.nosuch"),
        ("airflow.providers.snowflake.hooks", "airflow.providers.snowflake"),
        ("elsewhere", "elsewhere"),
        ("other", "other"),
    ],
)
def test_first_part_that_does_not_exist_is_missing(
    modules: Modules, module: str, first: str
) -> None:
    assert modules.missing(module) == first


def test_distutils_is_that_of_setuptools(modules: Modules, tmp_path: Path) -> None:
    assert modules.missing("distutils.version") == "distutils"
    (tmp_path / "site-packages").mkdir()
    (tmp_path / "site-packages/distutils-precedence.pth").touch()

    modules.add_folder(tmp_path / "site-packages")

    assert modules.missing("distutils.version") == ""


def test_versions_of_installed_packages_are_known(modules: Modules) -> None:
    assert modules.distributions == {"some-package": "1.0"}


def test_packages_of_which_the_layer_has_the_lists_only_are_known(tmp_path: Path) -> None:
    """On a developer's machine the image runs with the packages of the machine."""
    record = "../../../bin/one,,\none/__init__.py,,\none/part.py,,\none-1.0.dist-info/RECORD,,\n"
    info = {"one-1.0.dist-info/RECORD": record, "two-1.0.dist-info/RECORD": "two/__init__.py,,\n"}
    files = {**info, "two/__init__.py": "", "two/part.py": ""}
    (tmp_path / "layer").write_bytes(
        tar_of({f"{SITE_PACKAGES}/{name}": text for name, text in files.items()})
    )
    modules = Modules()

    modules.add_layer(tmp_path / "layer")

    assert modules.distributions == {"one": "1.0", "two": "1.0"}
    assert modules.missing("one.part") == ""
    assert modules.missing("one.made_at_run_time") == ""
    assert modules.missing("two.part") == ""
    assert modules.missing("two.gone") == "two.gone"
    assert modules.missing("other") == "other"


def test_layer_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "layer").write_bytes(b"no layer")

    with pytest.raises(RegistryError, match=r"packages cannot be read.*deploy again"):
        Modules().add_layer(tmp_path / "layer")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            "import os\nimport snowflake.connector\n",
            "plugins/own.py, line 2, cannot be imported: the image has no module snowflake. Add "
            "the package that has it to images/airflow/user/requirements.txt",
        ),
        (
            "from airflow.providers.apache_x.hooks import Y",
            "no module airflow.providers.apache_x. Add apache-airflow-providers-apache-x to",
        ),
        (
            "from airflow.www.app import csrf",
            "no module airflow.www. The version of airflow in the image does not have it",
        ),
        ("import distutils", "the image has no module distutils."),
        ("import acme.nosuch", "the image has no module acme.nosuch."),
    ],
)
def test_import_that_fails_is_named_with_file_and_line(
    plugins: Plugins, text: str, reason: str
) -> None:
    (problem,) = plugins.problems(own=text, acme__hooks="")

    assert reason in problem


@pytest.mark.parametrize(
    "text",
    [
        "import json, xml.etree.ElementTree\nfrom __future__ import annotations\n",
        "from airflow.models import anything\nfrom airflow.models.dag import DAG\n",
        "import acme.hooks\nfrom acme import hooks\n",
        "try:\n    import snowflake\nexcept ImportError:\n    snowflake = None\n",
        "if False:\n    import snowflake\n",
        "def late():\n    import snowflake\n",
    ],
)
def test_import_that_may_succeed_is_accepted(plugins: Plugins, text: str) -> None:
    assert plugins.problems(own=text, acme__hooks="") == []


def test_relative_import_of_a_plugin_is_refused_because_airflow_loads_it_alone(
    plugins: Plugins,
) -> None:
    text = "from .hooks import X\nclass P(AirflowPlugin):\n    name = 'p'\n"

    (problem,) = plugins.problems(acme__plugin=text, acme__hooks="X = 1\n")

    assert problem.startswith("plugins/acme/plugin.py, line 1, cannot be imported: Airflow loads")
    assert problem.endswith("Write: from acme.hooks import …")


def test_relative_import_of_a_module_for_dags_is_looked_up(plugins: Plugins) -> None:
    (problem,) = plugins.problems(
        acme__hooks="from .base import X\nfrom . import anything\n",
        acme__base="",
        acme__inner__a="from ..gone import X\nfrom ..base import X\n",
    )

    assert "plugins/acme/inner/a.py, line 1, cannot be imported: the image has no mod" in problem
    assert "acme.gone" in problem


@pytest.mark.parametrize("name", ["email", "acme__types", "acme__six"])
def test_file_that_would_replace_another_module_is_refused(plugins: Plugins, name: str) -> None:
    (problem,) = plugins.problems(**{name: ""})

    assert f"would replace the module {name.rpartition('_')[2]}: Airflow loads" in problem
    assert "Rename the file, or list it in plugins/.airflowignore" in problem


def test_files_that_airflow_ignores_are_not_checked(plugins: Plugins) -> None:
    (plugins.folder / ".airflowignore").write_text("tests/\nemail.py\n")

    assert plugins.problems(tests__a="import pytest", email="import snowflake") == []
