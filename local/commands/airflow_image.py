"""Images of one's own: an installed environment, and a copy of the in-image package.

The stack builds its image itself, as on AWS. These are the images of tests that need more than one:
another Airflow, the package of another checkout, a program that fails. With RUNTIME=podman it is
the image of the Dockerfile instead; see `container_image`.

As on AWS, an image never changes: other sources give another tag, and running tasks keep theirs.
"""

import compileall
import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from commands import emulator
from commands.container_image import build as container_image
from commands.container_image import engines
from commands.steps import Steps
from commands.workspace import ROOT, CommandError, Workspace, venv_python

LOCK = ROOT / "images" / "airflow" / "requirements.lock"


@dataclass(frozen=True)
class Edition:
    """One of several images.

    Args:
        environment: the installed environment that it runs in.
        lock: the lock file of that environment.
        program: Python to run instead of the package's entrypoint, for tests that need an image
            which fails.
        root: the checkout that has the in-image package, and the templates to deploy it with.
    """

    environment: str
    lock: Path
    program: str = ""
    root: Path = ROOT

    @property
    def source(self) -> Path:
        """The folder of the in-image package."""
        return self.root / "images" / "airflow" / "src"


CURRENT = Edition("airflow", LOCK)
SOURCE = CURRENT.source
# The Airflow from which the upgrade test starts; installed by `make test-upgrade` only.
PREVIOUS = Edition("airflow-previous", ROOT / "local" / "environments" / "airflow-previous.lock")


def tag(edition: Edition = CURRENT) -> str:
    """The digest of an image's sources."""
    sha = hashlib.sha256(edition.lock.read_bytes())
    sha.update(edition.program.encode())
    for path in sorted(edition.source.rglob("*.py")):
        sha.update(path.relative_to(edition.source).as_posix().encode())
        sha.update(path.read_bytes())
    return sha.hexdigest()[:12]


def uri(edition: Edition = CURRENT) -> str:
    """The image's name in the templates."""
    return f"local/airflow:{tag(edition)}"


def build(workspace: Workspace, edition: Edition = CURRENT) -> dict[str, Any]:
    """Build the image unless it exists for these sources, and return its description.

    The steps are those of the Dockerfile: copy the package with its symbolic links resolved,
    compile it, and set the environment.
    """
    package = workspace.state_dir / "images" / tag(edition)
    if not package.exists():
        staging = package.with_suffix(".partial")
        shutil.rmtree(staging, ignore_errors=True)
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(edition.source, staging, symlinks=False, ignore=ignored)
        compileall.compile_dir(staging, quiet=1)
        staging.rename(package)
    program = (
        ["-c", edition.program] if edition.program else ["-m", "airflow_on_fargate.entrypoint"]
    )
    python = venv_python(edition.environment)
    return {
        "entrypoint": [str(python), *program],
        "command": ["version"],
        "env": {
            "PATH": f"{python.parent}:{os.environ.get('PATH', os.defpath)}",
            "PYTHONPATH": str(package),
            "PYTHONUNBUFFERED": "1",
            "HOME": "{container_dir}",
            "LANG": "C.UTF-8",
            "AIRFLOW_HOME": "{container_dir}/airflow",
            **emulator.TASK_ADDRESSES,
            **emulator.broker_authorities(workspace),
        },
    }


def build_container(workspace: Workspace, edition: Edition = CURRENT) -> dict[str, Any]:
    """Build the Dockerfile for podman unless it is built, and return the image's description.

    Raises:
        CommandError: podman does not work, the build failed, or the edition is of another lock
            file than the Dockerfile's.
    """
    if edition.lock != LOCK:
        raise CommandError(f"podman has no image of {edition.lock.relative_to(ROOT)}.")
    reference = container_image.name()
    if not engines.PODMAN.has(reference):
        container_image.build(workspace, Steps(), engines.PODMAN)
    entrypoint = ["python", "-c", edition.program] if edition.program else []
    return {"reference": reference, "entrypoint": entrypoint, "env": emulator.TASK_ADDRESSES}


_BUILDERS = {"processes": build, "podman": build_container}


def push(workspace: Workspace, edition: Edition = CURRENT) -> None:
    """Add the image to the registry of the embedded AWS, which may be running already."""
    registry = workspace.state_dir / "registry"
    registry.mkdir(parents=True, exist_ok=True)
    entry = registry / f"{tag(edition)}.json"
    partial = entry.with_suffix(".partial")
    built = _BUILDERS[emulator.runtime(workspace)](workspace, edition)
    partial.write_text(json.dumps({uri(edition): built}, indent=2))
    partial.rename(entry)
