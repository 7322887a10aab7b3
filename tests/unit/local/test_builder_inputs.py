"""What the image builder of the stack finds on this machine."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from build_image.checks.modules import Modules
from commands import deployment
from commands.container_image import builder_inputs, uv_for_processes
from commands.workspace import ROOT, Workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path, 1, 2, 3, 4)


def run(folder: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = Path(folder) / "bin" / "uv"
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=False)


def test_packages_of_the_lock_file_are_not_installed_for_local_processes(
    workspace: Workspace, tmp_path: Path
):
    folder = builder_inputs.function_environment(workspace, "processes")["UV_FOLDER"]

    lock = tmp_path / "requirements.lock"
    lock.write_text(
        "Apache_Airflow.core==1 \\\n    --hash=sha256:0\napache-airflow-providers-http==2\n"
    )
    packages = tmp_path / "lib" / "python3.13" / "site-packages"
    packages.mkdir(parents=True)

    done = run(
        folder, "pip", "install", "--quiet", "--python", str(tmp_path), "--requirement", str(lock)
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert ".venv/airflow" in (tmp_path / uv_for_processes.NOTE).read_text()
    # What the builder has to know of them: their versions and the names of their modules.
    names = {path.name.partition("-")[0] for path in packages.iterdir()}
    assert names == {"apache_airflow_core", "apache_airflow_providers_http"}
    modules = Modules()
    modules.add_folder(packages)
    assert modules.missing("airflow.plugins_manager") == ""
    assert modules.missing("airflow.providers.snowflake") == "airflow.providers.snowflake"
    assert modules.missing("snowflake") == "snowflake"


def test_everything_else_is_asked_of_uv(workspace: Workspace, tmp_path: Path):
    folder = builder_inputs.function_environment(workspace, "processes")["UV_FOLDER"]
    locked = tmp_path / "user.lock"
    locked.write_text("nosuch==1.0 --hash=sha256:0\n")

    version = run(folder, "--version")
    failed = run(
        folder, "pip", "install", "--offline", "--python", sys.executable,
        "--requirement", str(locked),
    )  # fmt: skip

    assert version.stdout.startswith("uv ")
    assert failed.returncode != 0


def test_packages_of_the_lock_file_are_installed_for_containers(
    workspace: Workspace, tmp_path: Path
):
    folder = builder_inputs.function_environment(workspace, "podman")["UV_FOLDER"]

    done = run(
        folder, "pip", "install", "--python", str(tmp_path), "--requirement", "requirements.lock"
    )

    assert done.returncode != 0
    assert not (tmp_path / uv_for_processes.NOTE).exists()


def test_settings_of_uv_on_this_machine_reach_the_builder(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://packages.example.com/simple")
    monkeypatch.setenv("XDG_CACHE_HOME", "/caches")
    monkeypatch.setenv("PASSWORD_OF_SOMETHING", "secret")

    found = builder_inputs.function_environment(workspace, "processes")

    assert found["UV_DEFAULT_INDEX"] == "https://packages.example.com/simple"
    assert found["UV_CACHE_DIR"] == os.environ.get("UV_CACHE_DIR", "/caches/uv")
    assert found["BASE_IMAGE_MIRROR"] == workspace.endpoint
    assert "secret" not in found.values()


@pytest.mark.parametrize(
    "name",
    [
        "images/airflow/user/plugins/own.py",
        "images/airflow/user/requirements.txt",
        "images/airflow/src/airflow_on_fargate/module.py",
        "functions/contracts/module.py",
        "template.yaml",
    ],
)
def test_change_of_what_the_image_is_made_of_is_built_again(tmp_path: Path, name: str):
    for source in deployment.SOURCES:
        assert (ROOT / source).exists(), source
        path = tmp_path / source
        if (ROOT / source).is_dir():
            path.mkdir(parents=True, exist_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("")
    before = deployment.source_fingerprint(tmp_path)

    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text("changed = True\n")

    assert deployment.source_fingerprint(tmp_path) != before
