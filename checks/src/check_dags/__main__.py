"""`check-dags FOLDER`: exit status 0 if everything passed, 1 if not, 2 if it could not run."""

import argparse
import os
import subprocess
import sys
from pathlib import Path

from check_dags.check import Stack, check_project
from check_dags.project import Project
from check_dags.reports.junit import junit
from check_dags.reports.sarif import sarif
from check_dags.reports.table import table
from check_dags.security import write_baseline
from check_dags.settings import CHECKS, SettingsError, find_settings, read_settings

FAILED = 1
UNUSABLE = 2


class UsageError(Exception):
    """The command line names something that does not exist."""


def run() -> None:
    """The entry point of the installed package."""
    sys.exit(main(sys.argv[1:]))


def main(arguments: list[str]) -> int:
    """Check a folder; the exit status."""
    options = _parser().parse_args(arguments)
    try:
        return _check(options)
    except (SettingsError, UsageError) as error:
        print(f"check-dags: {error}", file=sys.stderr)
        return UNUSABLE


def _check(options: argparse.Namespace) -> int:
    project = _project(options)
    if options.write_baseline:
        count = write_baseline(project)
        print(f"{count} findings are in {project.root / project.settings.gate.baseline}")
        return 0
    stack = Stack(
        ("default", *options.queue, *options.isolated_queue),
        tuple(options.isolated_queue),
        options.dag_releases,
    )
    commit = options.commit or commit_of(project.root)
    report = check_project(project, stack, options.skip, commit)
    # The table last, so that the files are there even if nobody reads the output.
    if options.junit:
        _write(options.junit, junit(report))
    if options.sarif:
        _write(options.sarif, sarif(report).encode())
    print(table(report), flush=True)
    return FAILED if report.failed else 0


def _project(options: argparse.Namespace) -> Project:
    folder = options.folder.resolve()
    if not folder.is_dir():
        raise UsageError(f"{options.folder} is not a folder")
    if options.config and not options.config.is_file():
        raise UsageError(f"{options.config} is not a file")
    config = options.config or find_settings(folder)
    root = config.resolve().parent if config else folder.parent
    if not folder.is_relative_to(root):
        raise UsageError(f"{folder} is not below {root}, the folder of the settings")
    return Project(
        folder,
        root,
        read_settings(config),
        # Not resolved: the link is what makes it the interpreter of an environment.
        os.path.abspath(options.python) if os.sep in options.python else options.python,
        str(options.image_source.resolve()) if options.image_source else "",
        str(options.plugins.resolve()) if options.plugins else "",
    )


def commit_of(folder: Path) -> str:
    """The commit that is checked out, or an empty text where git knows none."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), "rev-parse", "--verify", "--quiet", "HEAD"],
            capture_output=True,
            text=True,
            timeout=30,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="check-dags", description=__doc__)
    parser.add_argument("folder", type=Path, help="the folder that becomes a release")
    parser.add_argument("--config", type=Path, help="check-dags.toml, if it is elsewhere")
    parser.add_argument(
        "--python", default=sys.executable, help="the interpreter of the image's environment"
    )
    parser.add_argument("--image-source", type=Path, help="what the image adds to PYTHONPATH")
    parser.add_argument("--plugins", type=Path, help="the folder of Airflow's plugins")
    parser.add_argument("--junit", type=Path, help="write JUnit XML to this file")
    parser.add_argument("--sarif", type=Path, help="write SARIF to this file")
    parser.add_argument("--commit", default="", help="the commit, if git does not know it here")
    parser.add_argument(
        "--skip", action="append", default=[], choices=CHECKS, help="leave out a check"
    )
    parser.add_argument("--queue", action="append", default=[], help="a queue of the stack")
    parser.add_argument("--isolated-queue", action="append", default=[], help="an isolated one")
    parser.add_argument("--dag-releases", default="{}", help="the stack's parameter DagReleases")
    parser.add_argument(
        "--write-baseline", action="store_true", help="accept all present security findings"
    )
    return parser


if __name__ == "__main__":
    run()
