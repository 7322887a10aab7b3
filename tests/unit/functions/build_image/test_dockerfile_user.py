"""The user's part of the Dockerfile, run here, makes the files of the function's layer."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pathspec
import pytest
from image_parts import UV

from .conftest import REPOSITORY, SITE_PACKAGES, Workshop
from .test_dockerfile import DOCKERFILE

USER = "/build/images/airflow/user"


def instructions() -> list[str]:
    """The RUN instructions of the build stage after the packages of the lock file."""
    text = re.sub(r"^#.*\n", "", DOCKERFILE, flags=re.MULTILINE).replace("\\\n", " ")
    runs = re.findall(r"^RUN (.+)$", text, re.MULTILINE)
    return [run for run in runs if USER in run or "build_image" in run]


class Stage:
    """A folder that stands for the root of the build stage."""

    def __init__(self, root: Path, workshop: Workshop) -> None:
        self.root = root
        self._workshop = workshop
        functions = root / "build/functions"
        for name in ("build_image", "shared", "contracts"):
            shutil.copytree(REPOSITORY / "functions" / name, functions / name)
        # The image has it with Airflow, whose stand-in here is an empty package.
        shutil.copytree(Path(pathspec.__file__).parent, functions / "pathspec")
        shutil.copytree(workshop.source / "user", root / USER.lstrip("/"))
        shutil.copy(workshop.source / "requirements.lock", root / "build")
        (root / "opt").mkdir()
        self._environment = {
            "PATH": f"{UV.parent}:{os.defpath}",
            "HOME": str(root),
            "UV_CACHE_DIR": str(root / "cache"),
            "UV_DEFAULT_INDEX": workshop.wheels.index(),
            "UV_LINK_MODE": "copy",
            "UV_NO_CONFIG": "1",
        }
        environment = f"{root}/opt/venv"
        self._run(f"uv venv --quiet --python {sys.executable} {environment}")
        self._run(
            f"uv pip install --quiet --python {environment} --require-hashes "
            f"--requirement {root}/build/requirements.lock"
        )

    def run(self) -> None:
        for instruction in instructions():
            self._run(re.sub(r"(?<=[ =])/(?=build|opt)", f"{self.root}/", instruction))

    def files(self) -> dict[str, bytes]:
        """What the last stage copies, without what names paths and times of this machine."""
        paths = (path for path in (self.root / "opt").rglob("*") if path.is_file())
        return {
            name: path.read_bytes()
            for path in paths
            if is_compared(name := path.relative_to(self.root).as_posix())
        }

    def _run(self, command: str) -> None:
        done = subprocess.run(
            ["sh", "-c", command], env=self._environment, capture_output=True, text=True
        )
        if done.returncode:
            raise RuntimeError(done.stderr)


def is_compared(name: str) -> bool:
    # Compiled files name the time of their source; scripts name the path of the interpreter.
    return "__pycache__" not in name and not name.startswith("opt/venv/bin/") and (
        name.startswith(("opt/airflow-user/", f"{SITE_PACKAGES}/"))
        and not name.endswith(("/RECORD", "/REQUESTED", "/_virtualenv.py", "/_virtualenv.pth"))
    )  # fmt: skip


@pytest.fixture
def stage(workshop: Workshop, tmp_path: Path) -> Stage:
    workshop.wheels.add("extra", "1.0", "corelib>=1", "deeper")
    workshop.wheels.add("deeper", "2.0", modules={"deeper/tests/test_deeper.py": ""})
    workshop.wheels.add("corelib", "2.0")
    workshop.write("user/README.md", "# Yours")
    workshop.write("user/requirements.txt", "# ours\nextra\n")
    workshop.write("user/plugins/own.py", "import acme.hooks\nimport extra\n")
    workshop.write("user/plugins/acme/__init__.py", "")
    workshop.write("user/plugins/acme/hooks.py", "import corelib\n")
    return Stage(tmp_path / "stage", workshop)


def test_users_packages_and_plugins_are_those_of_the_function(
    stage: Stage, workshop: Workshop
) -> None:
    digest = workshop.build()

    stage.run()

    repository = workshop.repository
    built = {
        name: repository.content_of(digest, name)
        for name, entry in repository.files_of(digest).items()
        if entry.isfile() and is_compared(name)
    }
    assert stage.files() == built
    assert f"{SITE_PACKAGES}/deeper/__init__.py" in built
    assert f"{SITE_PACKAGES}/deeper/tests/test_deeper.py" in built
    assert f"{SITE_PACKAGES}/corelib/tests/test_corelib.py" not in built
    assert f"{SITE_PACKAGES}/corelib-1.0.dist-info/METADATA" in built
    assert "opt/airflow-user/plugins/acme/hooks.py" in built


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("packages.txt", "libpq5\n", "add the word codebuild"),
        ("plugins/broken.py", "def (:\n", r"broken\.py cannot be imported"),
        ("plugins/missing.py", "import nosuch\n", r"missing\.py, line 1, .* no module nosuch"),
    ],
)
def test_dockerfile_refuses_what_the_function_refuses(
    stage: Stage, name: str, text: str, reason: str
) -> None:
    (stage.root / USER.lstrip("/") / name).write_text(text)

    with pytest.raises(RuntimeError, match=reason):
        stage.run()


def test_folder_without_files_of_the_user_adds_nothing(stage: Stage) -> None:
    shutil.rmtree(stage.root / USER.lstrip("/"))
    (stage.root / USER.lstrip("/")).mkdir()
    before = stage.files()

    stage.run()

    added = stage.files().keys() - before.keys()
    assert added == set()
    assert (stage.root / "opt/airflow-user/plugins").is_dir()
