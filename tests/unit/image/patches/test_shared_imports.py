"""Packages are imported before the fork if that leaves nothing behind but modules."""

import ast
import os
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_on_fargate import patches
from airflow_on_fargate.patches.dag_processor import shared_imports


@pytest.fixture(autouse=True)
def forgotten(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing has been imported yet, and what a test imports is forgotten."""
    monkeypatch.setattr(shared_imports, "_seen", {})
    monkeypatch.setattr(shared_imports, "_decided", set())
    monkeypatch.setattr(shared_imports, "_shared", set())
    monkeypatch.setattr(shared_imports, "_shadowed", frozenset())
    before = dict(sys.modules)
    yield
    for name in sys.modules.keys() - before.keys():
        if name.startswith("made_"):
            del sys.modules[name]


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Install a module of this name and source."""
    folder = tmp_path / "site-packages"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setattr(shared_imports.site, "getsitepackages", lambda: [str(folder)])

    def install(name: str, source: str) -> None:
        (folder / f"{name}.py").write_text(source)

    return install


def parse_ahead(dag: Path, source: str, own: frozenset[str] = frozenset()) -> None:
    dag.write_text(source)
    shared_imports._import_for(str(dag), own)


def test_installed_package_is_imported_once_for_all_parses(
    installed: Callable[[str, str], None], tmp_path: Path
) -> None:
    installed("made_plain", "value = 1")
    parse_ahead(tmp_path / "dag.py", "import made_plain\nfrom made_plain import value")
    assert "made_plain" in sys.modules
    assert shared_imports._shared == {"made_plain"}


@pytest.mark.parametrize(
    "source",
    [
        "import threading as t, time\nt.Thread(target=time.sleep, args=(9,), daemon=True).start()",
        "import os\nos.environ['MADE'] = 'x'",
        "import os\nos.chdir('/')",
        "opened = open('/dev/null')",
        "import random\nrandom.seed(1)",
        "import signal\nsignal.signal(signal.SIGUSR1, print)",
        "import os\nos._exit(0)",
        "import sys\nsys.exit(0)",
        "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)",
        "raise RuntimeError('no')",
        f"data = b'x' * {shared_imports.LARGEST_GROWTH_BYTES * 2}",
        "import time\ntime.sleep(60)",
        "from airflow.settings import Session\nSession().connection()",
        "import subprocess\nstarted = subprocess.Popen(['sleep', '20'])",
    ],
)
def test_package_that_does_more_than_define_is_left_to_each_parse(
    installed: Callable[[str, str], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    source: str,
) -> None:
    if "sleep(60)" in source:
        monkeypatch.setattr(shared_imports, "TRIAL_SECONDS", 0.5)
    installed("made_active", source)
    state = (threading.active_count(), dict(os.environ), os.getcwd(), random.getstate())

    parse_ahead(tmp_path / "dag.py", "import made_active")

    assert "made_active" not in sys.modules
    assert state == (threading.active_count(), dict(os.environ), os.getcwd(), random.getstate())


def test_module_of_the_release_is_never_imported(
    installed: Callable[[str, str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed("made_both", "origin = 'installed'")
    release = tmp_path / "release"
    (release / "made_lib").mkdir(parents=True)
    (release / "made_lib/__init__.py").write_text("")
    (release / "made_both.py").write_text("origin = 'release'")
    monkeypatch.syspath_prepend(str(release))

    own = shared_imports.names_in(str(release))
    parse_ahead(release / "dag.py", "import made_both\nimport made_lib", own)
    # Also without the list of names: it is not the image's.
    parse_ahead(release / "other.py", "import made_lib")

    assert not {"made_both", "made_lib"} & sys.modules.keys()


def test_release_that_adds_a_module_of_the_same_name_is_read(
    installed: Callable[[str, str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed("made_later", "origin = 'installed'")
    release = tmp_path / "release"
    release.mkdir()
    parse_ahead(release / "dag.py", "import made_later")
    assert "made_later" in sys.modules
    (release / "made_later.py").write_text("origin = 'release'")

    found: list[str] = []

    def parse(msg: Any, log: Any) -> None:
        monkeypatch.syspath_prepend(str(release))
        found.append(__import__("made_later").origin)

    def create(self: Any, dag_file: Any) -> None:
        shared_imports._without_shadowed(parse)(None, None)

    file = SimpleNamespace(
        bundle_path=release, absolute_path=release / "dag.py", rel_path=Path("dag.py")
    )
    shared_imports._importing(create)(None, file)

    assert found == ["release"]


def test_package_with_an_extension_is_not_loaded_twice() -> None:
    import msgspec

    shared_imports.forget("msgspec")
    assert sys.modules["msgspec"] is msgspec


def test_only_what_certainly_runs_is_imported() -> None:
    source = """
import a.b
from c import d
from . import e
from f import *
try:
    import g
except ImportError:
    pass
if x:
    import h
def i():
    import j
"""
    assert list(shared_imports.named(ast.parse(source))) == [("a.b", None), ("c", "d")]


def test_new_version_of_a_file_is_looked_at(
    installed: Callable[[str, str], None], tmp_path: Path
) -> None:
    installed("made_first", "")
    installed("made_second", "")
    parse_ahead(tmp_path / "dag.py", "import made_first")
    time.sleep(0.01)
    parse_ahead(tmp_path / "dag.py", "import made_first, made_second")
    assert {"made_first", "made_second"} <= sys.modules.keys()


@pytest.mark.parametrize("source", ["import (", "x = '\\0'\0", "import made_missing_one"])
def test_file_that_cannot_be_read_is_left_to_its_parse(tmp_path: Path, source: str) -> None:
    parse_ahead(tmp_path / "dag.py", source)
    assert "made_missing_one" not in sys.modules


def test_missing_file_is_left_to_its_parse(tmp_path: Path) -> None:
    created: list[Any] = []
    file = SimpleNamespace(
        bundle_path=tmp_path, absolute_path=tmp_path / "gone.py", rel_path=Path("gone.py")
    )
    shared_imports._importing(lambda self, dag_file: created.append(dag_file))(None, file)
    assert created == [file]


def test_setting_of_airflow_turns_it_off(
    installed: Callable[[str, str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__DAG_PROCESSOR__PARSING_PRE_IMPORT_MODULES", "False")
    installed("made_off", "")
    (tmp_path / "dag.py").write_text("import made_off")
    file = SimpleNamespace(
        bundle_path=tmp_path, absolute_path=tmp_path / "dag.py", rel_path=Path("dag.py")
    )
    shared_imports._importing(lambda self, dag_file: None)(None, file)
    assert "made_off" not in sys.modules


def test_what_every_dag_needs_is_loaded() -> None:
    shared_imports.build_a_dag()
    assert "airflow.providers.standard.decorators.python" in sys.modules


def test_patch_fits_the_installed_airflow() -> None:
    from airflow.dag_processing import processor

    patches.apply("dag_processor.shared_imports")
    assert processor._pre_import_airflow_modules("/missing.py", None) is None  # type: ignore[func-returns-value, arg-type]
