"""The installer of environments and its error messages."""

import collections
import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def install() -> ModuleType:
    """local/install.py, which is a script, not a package."""
    spec = importlib.util.spec_from_file_location("install", ROOT / "local" / "install.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_error_names_the_supported_pythons_when_none_is_usable(install, monkeypatch):
    monkeypatch.setattr(install, "candidates", lambda: ["/nowhere/python3.13"])
    with pytest.raises(install.InstallError, match=r"needs Python 3\.11, 3\.12 or 3\.13"):
        install.choose_interpreter()


def test_interpreter_that_does_not_run_is_skipped(install, monkeypatch, tmp_path):
    shim = tmp_path / "python3.13"
    shim.write_text("#!/bin/sh\nexit 127\n")
    shim.chmod(0o755)
    monkeypatch.setattr(install, "candidates", lambda: [str(shim), install.sys.executable])
    assert install.choose_interpreter() == install.sys.executable


def test_newest_usable_interpreter_is_preferred(install, monkeypatch):
    versions = {"old": (3, 11), "new": (3, 13), "middle": (3, 12)}
    monkeypatch.setattr(install, "candidates", lambda: list(versions))
    monkeypatch.setattr(install, "interpreter_version", versions.get)
    assert install.choose_interpreter() == "new"


def test_named_interpreter_is_the_only_candidate(install, monkeypatch):
    monkeypatch.setenv("PYTHON", "/opt/python3.12")
    assert install.candidates() == ["/opt/python3.12"]


def test_takes_no_interpreter_of_an_environment_that_it_makes(install, monkeypatch, tmp_path):
    own = tmp_path / "tools" / "bin" / "python3.13"
    own.parent.mkdir(parents=True)
    own.symlink_to(install.sys.executable)
    own.with_name("python3").symlink_to(install.sys.executable)
    monkeypatch.setattr(install, "VENVS", str(tmp_path))
    monkeypatch.setenv("PYTHON", "python3")
    monkeypatch.setenv("PATH", f"{own.parent}:{install.os.environ['PATH']}")
    assert not [path for path in install.candidates() if path.startswith(str(tmp_path))]


def test_refuses_to_start_when_the_disk_is_full(install, monkeypatch):
    usage = collections.namedtuple("usage", "total used free")
    monkeypatch.setattr(install.shutil, "disk_usage", lambda path: usage(10, 10, 2**20))
    with pytest.raises(install.InstallError, match="free some space"):
        install.check_free_space()


def test_unknown_environment_is_refused(install):
    with pytest.raises(install.InstallError, match="There is no environment nonsense"):
        install.install(["nonsense"])


def test_interrupted_environment_is_rebuilt(install, monkeypatch, tmp_path):
    monkeypatch.setattr(install, "VENVS", str(tmp_path))
    maker = install.Environments("python")

    def half_way(target: str) -> None:
        Path(target).mkdir()
        raise install.InstallError("cut off")

    with pytest.raises(install.InstallError):
        maker.make("tools", "fingerprint", half_way)
    assert not maker.up_to_date("tools", "fingerprint")

    maker.make("tools", "fingerprint", lambda target: Path(target).mkdir())
    assert maker.up_to_date("tools", "fingerprint")
