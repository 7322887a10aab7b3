"""The folder that is checked, the project around it, and the interpreter of the image."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from check_dags.settings import Settings

_SKIPPED = frozenset({"__pycache__", ".git", ".venv", "node_modules"})
_HERE = Path(__file__).resolve().parent


class ProgramError(Exception):
    """A program of the checks could not do its work; the text says why."""


class TooLongError(ProgramError):
    """A program was ended at its time limit."""


@dataclass(frozen=True)
class Project:
    """`root` is the folder of the settings, or the one above the DAGs; paths are relative to it.

    `python` is the interpreter of the environment in which the DAGs will run, and `image_source`
    the package that the image adds to Airflow, where it is not in that environment already.
    """

    folder: Path
    root: Path
    settings: Settings
    python: str
    image_source: str = ""
    plugins: str = ""

    def shown(self, path: str | Path) -> str:
        """A path as the reports show it."""
        absolute = Path(path) if Path(path).is_absolute() else self.folder / path
        try:
            return absolute.resolve().relative_to(self.root).as_posix()
        except ValueError:
            return absolute.as_posix()

    def line_of(self, path: str, line: int | None) -> str:
        """The text of a line, without the spaces around it."""
        if line is None:
            return ""
        try:
            lines = (self.root / path).read_text(encoding="utf-8").splitlines()
            return lines[line - 1].strip()
        except (OSError, ValueError, IndexError):
            return ""

    @cached_property
    def python_files(self) -> list[Path]:
        return [path for path in files_below(self.folder) if path.suffix == ".py"]

    @cached_property
    def test_folders(self) -> list[Path]:
        """The folders of tests that exist."""
        found = (self.test_folder(name) for name in self.settings.tests.folders)
        return [folder for folder in found if folder is not None]

    def test_folder(self, name: str) -> Path | None:
        """A folder below the root, or else below the folder of the DAGs; None if there is none."""
        places = (self.root / name, self.folder / name)
        return next((place for place in places if place.is_dir()), None)

    def is_test(self, path: Path) -> bool:
        return any(path.is_relative_to(folder) for folder in self.test_folders)

    def environment(self, home: Path) -> dict[str, str]:
        """The variables of a process that runs the project's code.

        None of the caller's, because a pipeline has credentials and tokens in them. Airflow gets a
        home of its own, no database with tables, no secrets backend and no AWS account.
        """
        kept = ("PATH", "LANG", "TZ")
        inherited = {name: os.environ[name] for name in kept if name in os.environ}
        variables = {
            **inherited,
            "HOME": str(home),
            "TMPDIR": str(home),
            "AIRFLOW_HOME": str(home / "airflow"),
            "PYTHONPATH": self.image_source,
            "PYTHONDONTWRITEBYTECODE": "1",
            # The last words of a process that is ended.
            "PYTHONUNBUFFERED": "1",
            # As in the process in which the dag-processor parses a file.
            "_AIRFLOW_PROCESS_CONTEXT": "client",
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
            "AIRFLOW__SECRETS__BACKEND": "",
            "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
            # The limit of the settings counts, and it also ends what a signal cannot.
            "AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT": "0",
            "AIRFLOW__CORE__DAGBAG_IMPORT_ERROR_TRACEBACK_DEPTH": "50",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            # What the checks themselves need, behind everything that the environment has.
            "CHECK_DAGS_TOOLS": os.pathsep.join(p for p in sys.path if p.endswith("-packages")),
        }
        if self.plugins:
            variables["AIRFLOW__CORE__PLUGINS_FOLDER"] = self.plugins
        return {**variables, **self.settings.environment}


def files_below(folder: Path) -> Iterator[Path]:
    """All files, in order; links to folders are not followed."""
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in _SKIPPED)
        for name in sorted(names):
            path = Path(parent, name)
            if path.is_file():
                yield path


def functions_folder() -> Path:
    """The publisher's code: in an installed package beside this file, else in the repository."""
    packaged = _HERE / "functions"
    return packaged if packaged.is_dir() else _HERE.parents[2] / "functions"


def inside(program: str) -> str:
    """The path of a program that runs with the interpreter of the image."""
    return str(_HERE / "inside" / f"{program}.py")


@dataclass(frozen=True)
class Finished:
    """The end of a program: its exit status and the last of what it printed."""

    status: int
    output: str
    stdout: str = ""


def run_program(
    command: Sequence[str],
    seconds: float,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    text: str | None = None,
) -> Finished:
    """Run a program; at the time limit it ends with everything that it started.

    Raises:
        TooLongError: the time is over; the text has the last lines that it printed.
        ProgramError: it does not exist.
    """
    # In files, because a process that was left behind would keep a pipe open.
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE if text is not None else subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env=dict(environment) if environment is not None else None,
                cwd=folder,
                start_new_session=True,
            )
        except OSError as error:
            raise ProgramError(f"{command[0]} cannot be started: {error.strerror}") from error
        over = False
        try:
            process.communicate(text.encode() if text is not None else None, timeout=seconds)
        except subprocess.TimeoutExpired:
            over = True
        finally:
            end_group(process.pid)
            process.wait()
        stdout, stderr = _text(out), _text(err)
        if over:
            raise TooLongError(f"was ended after {seconds:g} s\n{_last(stdout + stderr)}".strip())
        return Finished(process.returncode, _last(stdout + stderr), stdout)


def end_group(group: int) -> None:
    """End a process and everything that it started and that did not leave its group."""
    try:
        os.killpg(group, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def _text(stream: Any) -> str:
    stream.seek(0)
    data: bytes = stream.read()
    return data.decode("utf-8", "replace")


def _last(text: str, lines: int = 15) -> str:
    return "\n".join(text.strip().splitlines()[-lines:])
