"""The packages of the lock file without what the image leaves out: everything still starts."""

import ast
import os
import shutil
import subprocess
import sys
import sysconfig
import warnings
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest

from build_image.checks.imports import _failures
from build_image.checks.modules import Modules
from build_image.layers import unneeded

SITE_PACKAGES = Path(sysconfig.get_path("purelib"))
# The main modules of the components, and what their settings name.
STARTED = (
    "airflow.api_fastapi.core_api.app",
    "airflow.dag_processing.manager",
    "airflow.jobs.scheduler_job_runner",
    "airflow.jobs.triggerer_job_runner",
    "airflow.providers.amazon.aws.log.s3_task_handler",
    "airflow.providers.amazon.aws.secrets.secrets_manager",
    "airflow.providers.celery.executors.celery_executor",
    "airflow.providers.fab.auth_manager.fab_auth_manager",
    "airflow.providers.fab.www.app",
    "airflow.sdk.execution_time.supervisor",
    "celery.bin.worker",
    "kombu.transport.SQS",
    "uvicorn",
)


@pytest.fixture(scope="module")
def without(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of the installed packages, as the image has them."""
    folder = tmp_path_factory.mktemp("image") / "site-packages"
    shutil.copytree(SITE_PACKAGES, folder, copy_function=_linked, symlinks=True)
    unneeded.remove(folder)
    yield folder
    shutil.rmtree(folder)


def _linked(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system
        shutil.copy2(source, target)


def python(site_packages: Path, home: Path, *arguments: str) -> str:
    """Run this Python with these packages and no others."""
    done = subprocess.run(
        [sys._base_executable, "-s", *arguments],  # type: ignore[attr-defined]
        env={
            "PATH": os.defpath,
            "HOME": str(home),
            "AIRFLOW_HOME": str(home),
            "PYTHONPATH": str(site_packages),
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def files_of(folder: Path, part: str) -> set[str]:
    return {
        path.relative_to(folder).as_posix()
        for path in (folder / part).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_airflow_and_its_providers_are_the_same(without: Path, tmp_path: Path) -> None:
    for command in (["version"], ["providers", "list", "--output", "plain"]):
        arguments = ("-m", "airflow", *command)

        assert python(without, tmp_path, *arguments) == python(SITE_PACKAGES, tmp_path, *arguments)


def test_modules_of_every_component_are_imported(without: Path, tmp_path: Path) -> None:
    code = f"import {', '.join(STARTED)}, sys; print(len(sys.modules))"

    output = python(without, tmp_path, "-W", "ignore", "-c", code)

    assert int(output.splitlines()[-1]) > 1000


def test_compiled_modules_can_be_loaded(without: Path, tmp_path: Path) -> None:
    libraries = sorted(without.rglob("*.so*"))
    names = [str(library) for library in libraries]

    python(without, tmp_path, "-c", f"import ctypes\nfor name in {names}: ctypes.CDLL(name)")

    assert len(libraries) > 90
    before = sum((SITE_PACKAGES / path.relative_to(without)).stat().st_size for path in libraries)
    assert sum(path.stat().st_size for path in libraries) < 0.8 * before


def test_no_file_that_is_left_imports_one_that_is_not(without: Path) -> None:
    """Also in packages that no component imports at its start."""
    before, after = Modules(), Modules()
    before.add_folder(SITE_PACKAGES)
    after.add_folder(without)

    lost = []
    for name in sorted(path for path in files_of(without, ".") if path.endswith(".py")):
        with warnings.catch_warnings(action="ignore"):
            try:
                tree = ast.parse((without / name).read_bytes())
            except SyntaxError:  # templates
                continue
        known = set(_failures(name, tree, (before, before)))
        lost += [(name, *one) for one in _failures(name, tree, (after, after)) if one not in known]
    assert lost == []


def test_static_files_of_the_api_server_are_complete(without: Path) -> None:
    for part in ("airflow/ui/dist", "airflow/providers/fab/www/static", "flask_appbuilder/static"):
        left, all_files = files_of(without, part), files_of(SITE_PACKAGES, part)

        assert len(left) > 10
        assert {name for name in all_files - left if not name.endswith(".map")} == set()


def test_services_of_the_aws_sdk_are_complete(without: Path) -> None:
    left = files_of(without, "botocore/data")
    gone = files_of(SITE_PACKAGES, "botocore/data") - left

    assert {PurePosixPath(name).name.partition(".")[0] for name in gone} == {"examples-1"}
    assert len([name for name in left if "service-2.json" in name]) > 300
