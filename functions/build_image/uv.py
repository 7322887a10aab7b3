"""The installer of Python packages: uv, whose program is in its wheel beside this code.

uv installs for the processor of the image, which need not be the function's: wheels only, and each
with a hash of the lock file.
"""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from build_image.errors import OutOfTimeError, PackagesError

# The oldest C library that the base images have: Debian 12's.
_PLATFORMS = {
    "arm64": "aarch64-manylinux_2_36",
    "x86_64": "x86_64-manylinux_2_36",
}
_COMPILERS = 4
_SIGNALS = {-9: "it was ended, which on Lambda means out of memory"}


class Uv:
    """uv as a program, with its cache and temporary files in the working folder."""

    def __init__(
        self,
        program: Path,
        architecture: str,
        cache: Path,
        environment: Mapping[str, str] | None = None,
        options: Sequence[str] = (),
    ) -> None:
        self._program = program
        self._architecture = architecture
        self._cache = cache
        self._environment = environment or {}
        self._options = options

    def create_environment(self, folder: Path) -> None:
        self._run(["venv", "--quiet", "--no-project", "--python", sys.executable, str(folder)], 60)

    def install(self, environment: Path, requirements: Path, seconds: float) -> None:
        self._run(
            [
                "pip", "install", "--quiet", "--python", str(environment),
                "--no-deps", "--no-build", "--require-hashes", "--link-mode", "hardlink",
                *self._target(), "--requirement", str(requirements),
            ],
            seconds,
        )  # fmt: skip

    def resolve(self, requirements: Path, constraints: Path, target: Path, seconds: float) -> None:
        self._run(
            [
                "pip", "compile", "--quiet", str(requirements), "--constraints", str(constraints),
                "--python", sys.executable, "--no-build", "--generate-hashes", "--no-header",
                "--no-annotate", "--emit-index-url", *self._target(), "--output-file", str(target),
            ],
            seconds,
        )  # fmt: skip

    def compile_bytecode(self, root: Path, folder: Path, seconds: float) -> str:
        files = sorted(str(path) for path in folder.rglob("*.py"))
        # A fixed number of processes with fixed lists: what a process compiled before decides on
        # details of the next file's bytes. `compileall -j` needs /dev/shm, which Lambda lacks.
        lists = [files[number::_COMPILERS] for number in range(_COMPILERS)]
        command = [
            sys.executable, "-m", "compileall", "-q", "--invalidation-mode", "timestamp",
            "-s", str(root), "-p", "/", "-i", "-",
        ]  # fmt: skip
        # Without a fixed seed of hashes the order of sets differs from run to run.
        environment = {"PATH": os.defpath, "PYTHONHASHSEED": "0", "LANG": "C.UTF-8"}
        with ThreadPoolExecutor(_COMPILERS) as threads:
            ended = threads.map(
                lambda names: self._wait(command, environment, seconds, "\n".join(names)),
                [names for names in lists if names],
            )
            results = list(ended)
        for done in results:
            # Files that are not compiled only cost time; what a killed compiler left out is chance.
            if done.returncode < 0:
                raise PackagesError(
                    f"The compiler of the image's Python files: {_ending(done.returncode)}. Raise "
                    "the function's MemorySize."
                )
        return "".join(done.stdout for done in results if done.returncode)

    def _target(self) -> Sequence[str]:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        platform = _PLATFORMS[self._architecture]
        return ("--python-platform", platform, "--python-version", version, *self._options)

    def _run(self, arguments: Sequence[str], seconds: float) -> None:
        environment = {
            "PATH": os.defpath,
            "HOME": str(self._cache),
            "LANG": "C.UTF-8",
            "UV_CACHE_DIR": str(self._cache / "uv"),
            "UV_NO_CONFIG": "1",
            "UV_NO_PROGRESS": "1",
            "UV_PYTHON_DOWNLOADS": "never",
            "NO_COLOR": "1",
            **self._environment,
        }
        done = self._wait([str(self._program), *arguments], environment, seconds)
        if done.returncode:
            raise PackagesError(done.stderr.strip() or _ending(done.returncode))

    def _wait(
        self, command: Sequence[str], environment: Mapping[str, str], seconds: float, text: str = ""
    ) -> subprocess.CompletedProcess[str]:
        try:
            with subprocess.Popen(
                command,
                env=dict(environment), text=True,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            ) as process:  # fmt: skip
                _prefer_to_kill(process.pid)
                try:
                    out, err = process.communicate(text, timeout=max(1.0, seconds))
                except subprocess.TimeoutExpired:
                    process.kill()
                    raise
            return subprocess.CompletedProcess(command, process.returncode, out, err)
        except subprocess.TimeoutExpired as error:
            raise OutOfTimeError(
                f"{Path(command[0]).name} {command[1]} did not end within {seconds:.0f} s, the "
                "time that one call of the function has for it: deploy again (what was stored is "
                "kept), or give the function more memory, with which its share of the CPU grows."
            ) from error
        except OSError as error:
            raise PackagesError(f"{Path(command[0]).name} cannot be started: {error}") from error


def _ending(code: int) -> str:
    return _SIGNALS.get(code, f"it ended with exit code {code}")


def _prefer_to_kill(process: int) -> None:
    """Where memory ends, the system then kills this program, and not the one that can answer."""
    with suppress(OSError):  # not Linux, or it has ended
        Path(f"/proc/{process}/oom_score_adj").write_text("1000")


def program_beside(folder: Path) -> Path:
    """The program of the installed wheel of uv."""
    return folder / "bin" / "uv"
