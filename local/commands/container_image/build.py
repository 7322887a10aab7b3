"""`make image`: build the Dockerfile for this machine's processor, unless it is built already."""

import hashlib
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

from commands.container_image import base, engines
from commands.container_image.base import DOCKERFILE
from commands.container_image.engines import Engine
from commands.steps import Steps
from commands.workspace import ROOT, CommandError, Workspace

REPOSITORY = "localhost/airflow-on-fargate"
# What .dockerignore sends to the builder.
_SOURCES = (
    "images/airflow/requirements.lock",
    "images/airflow/src",
    "images/airflow/user",
    "functions/build_image",
    "functions/contracts",
    "functions/shared",
    "local/environments/uv.lock",
)
_LABEL = "org.opencontainers.image"
_DESCRIPTION = "|".join(
    ["{{.Architecture}}"]
    + [f'{{{{index .Config.Labels "{_LABEL}.{n}"}}}}' for n in ("version", "revision", "base.name")]
)
_MEBIBYTE = 2**20


def image(workspace: Workspace) -> None:
    """Build the image with the engine that works here and print its name and size.

    Raises:
        CommandError: no engine works, there is no base image, or the build failed.
    """
    steps = Steps()
    engine = engines.PODMAN if os.environ.get("RUNTIME") == "podman" else engines.choose()
    build(workspace, steps, engine)


def build(workspace: Workspace, steps: Steps, engine: Engine) -> str:
    """Build the image unless the engine has it with this content; returns its name.

    Raises:
        CommandError: the engine does not work, there is no base image, or the build failed.
    """
    engines.choose([engine])
    image_name = name()
    if engine.has(image_name):
        with steps.step(f"The image {image_name} is already built from these sources"):
            _describe(engine, image_name, steps)
        return image_name
    with steps.step(f"Build {DOCKERFILE.relative_to(ROOT)} with {engine.program}"):
        found = base.provide(engine, steps)
        engine.build(
            image_name,
            DOCKERFILE,
            arguments={"PYTHON_IMAGE": found.name},
            labels=labels(found.name, found.digest),
            log=workspace.state_dir / "image-build.log",
            host_certificates=found.is_stand_in,
        )
        _describe(engine, image_name, steps)
    return image_name


def name() -> str:
    """The image's name in the engine's storage."""
    return f"{REPOSITORY}:{content_tag()}"


def check_runtime() -> None:
    """Return when this user can run containers with a task's limits on this machine.

    Raises:
        CommandError: says what is missing.
    """
    engines.choose([engines.PODMAN])
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        raise CommandError(
            "RUNTIME=podman needs Linux and root: only root can limit the CPU and memory of a "
            "whole task. Without RUNTIME, tasks run as local processes, which any user can start."
        )


def content_tag() -> str:
    """A digest of everything that decides what the image contains, but for its base."""
    sha = hashlib.sha256(platform.machine().encode())
    sha.update(DOCKERFILE.read_bytes())
    for source in _SOURCES:
        for path in _files(ROOT / source):
            sha.update(path.relative_to(ROOT).as_posix().encode())
            sha.update(path.read_bytes())
    return sha.hexdigest()[:12]


def labels(base_name: str, base_digest: str) -> dict[str, str]:
    """The image's labels: the commit of its sources, and the versions in it."""
    lock = (ROOT / "images" / "airflow" / "requirements.lock").read_text()
    airflow = re.search(r"^apache-airflow==(\S+)", lock, re.MULTILINE)
    return {
        f"{_LABEL}.title": "airflow-on-fargate",
        f"{_LABEL}.revision": _commit(),
        f"{_LABEL}.version": airflow[1] if airflow else "unknown",
        f"{_LABEL}.base.name": base_name,
        **({f"{_LABEL}.base.digest": base_digest} if base_digest else {}),
    }


def _files(path: Path) -> list[Path]:
    """The files of a folder; a link to a folder counts by its name only."""
    if path.is_file():
        return [path]
    found = (p for p in path.rglob("*") if p.is_file() and "__pycache__" not in p.parts)
    return sorted(found)


def _commit() -> str:
    """The commit of the sources; `-modified` follows where files differ from it."""
    done = subprocess.run(
        ["git", "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty=-modified"],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    return done.stdout.strip() or "unknown"


def _describe(engine: Engine, image_name: str, steps: Steps) -> None:
    architecture, *values = engine.inspect(image_name, _DESCRIPTION).split("|")
    version, commit, base_name = values
    steps.detail(f"{image_name}: {engine.size(image_name) / _MEBIBYTE:.0f} MiB, {architecture}")
    steps.detail(f"Airflow {version}, commit {commit}, base {base_name}")
