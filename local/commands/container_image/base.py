"""The base image: the Dockerfile's own, or a stand-in where no registry can be reached.

The stand-in is Debian 13, which has the Dockerfile's Python, made by debootstrap from the mirror
from which this machine installs its own packages. It shows what the Dockerfile does and how the
image behaves; its system packages are not those of the official base.
"""

import os
import platform
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from commands.container_image.engines import Engine
from commands.steps import Steps
from commands.workspace import ROOT, CommandError

DOCKERFILE = ROOT / "images" / "airflow" / "Dockerfile"
STAND_IN = "localhost/airflow-on-fargate-base:debian-13"
_SUITE = "trixie"
_PACKAGES = "python3,python3-venv,python3-pip,ca-certificates"
_MIRROR = "http://deb.debian.org/debian"
# uv brings its own list of authorities; the machine may trust others.
_CHANGES = (
    "ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt",
    "ENV UV_SYSTEM_CERTS=1",
)


@dataclass(frozen=True)
class Base:
    """A base image that the engine has stored."""

    name: str
    is_stand_in: bool
    # As the registry knows it; empty for the stand-in, which no registry has.
    digest: str = ""


def official() -> str:
    """The base image that the Dockerfile names.

    Raises:
        CommandError: the Dockerfile has no such argument.
    """
    found = re.search(r"^ARG PYTHON_IMAGE=(\S+)$", DOCKERFILE.read_text(), re.MULTILINE)
    if found is None:
        raise CommandError(f"{DOCKERFILE} has no default for PYTHON_IMAGE.")
    return found[1]


def provide(engine: Engine, steps: Steps) -> Base:
    """The base image, fetched or made if the engine does not have it.

    Raises:
        CommandError: there is no registry, and no stand-in can be made; says what to do.
    """
    name = official()
    if engine.has(name):
        return Base(name, is_stand_in=False, digest=engine.digest(name))
    if engine.has(STAND_IN):
        steps.detail(f"base: {STAND_IN}, made here earlier in place of {name}")
        return Base(STAND_IN, is_stand_in=True)
    problem = engine.pull(name)
    if not problem:
        steps.detail(f"base: {name}")
        return Base(name, is_stand_in=False, digest=engine.digest(name))
    steps.detail(f"{name} cannot be fetched: {problem}")
    _check_debian(name)
    steps.detail(f"base: a stand-in from {_mirror()} ({_SUITE}), which takes some minutes")
    _bootstrap(engine)
    return Base(STAND_IN, is_stand_in=True)


def _check_debian(name: str) -> None:
    try:
        system = platform.freedesktop_os_release()["ID"]
    except OSError:
        system = "unknown"
    if system != "debian" or os.geteuid() != 0:
        raise CommandError(
            f"The base image {name} cannot be fetched, and a stand-in can only be made by root on "
            "Debian: fetch it once with a connection to the registry."
        )
    if not shutil.which("debootstrap"):
        raise CommandError(
            f"The base image {name} cannot be fetched. To make a stand-in from Debian's packages, "
            "install debootstrap: apt-get install --no-install-recommends debootstrap"
        )


def _mirror() -> str:
    """The mirror of this machine's own packages."""
    done = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI) $(ORIGIN)"],
        capture_output=True, text=True,
    )  # fmt: skip
    lines = [line.split(" ") for line in done.stdout.splitlines()]
    found = [uri for uri, *origin in lines if origin == ["Debian"] and "security" not in uri]
    return found[0].rstrip("/") if found else _MIRROR


def _bootstrap(engine: Engine) -> None:
    with tempfile.TemporaryDirectory(prefix="airflow-base-") as folder:
        root = Path(folder) / "root"
        done = subprocess.run(
            ["debootstrap", "--variant=minbase", f"--include={_PACKAGES}", _SUITE, root, _mirror()],
            stdin=subprocess.DEVNULL, capture_output=True, text=True,
        )  # fmt: skip
        if done.returncode:
            tail = "\n".join((done.stdout + done.stderr).strip().splitlines()[-5:])
            raise CommandError(f"debootstrap failed:\n{tail}")
        # As in the official image: `python` exists, and pip may install into it.
        (root / "usr" / "bin" / "python").symlink_to("python3")
        for marker in (root / "usr" / "lib").glob("python3*/EXTERNALLY-MANAGED"):
            marker.unlink()
        for archive in (root / "var" / "cache" / "apt" / "archives").glob("*.deb"):
            archive.unlink()
        with subprocess.Popen(["tar", "-C", root, "-c", "."], stdout=subprocess.PIPE) as tar:
            assert tar.stdout is not None
            engine.import_files(tar.stdout, STAND_IN, _CHANGES)
