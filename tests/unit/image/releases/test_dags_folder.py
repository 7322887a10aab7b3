"""A process that reads a release has it in `$AIRFLOW_HOME/dags`; so have those that it starts."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from waiting import PATIENCE_SECONDS

import airflow_on_fargate
from airflow_on_fargate import configuration

ROOT = Path(__file__).parents[4]
SOURCE = Path(airflow_on_fargate.__file__).parents[1]
# Follows the folder of the first argument, then runs the second one as a program.
PROGRAM = """
import os, subprocess, sys
from pathlib import Path
from airflow_on_fargate.releases import dags_folder

dags_folder.serve(Path(sys.argv[1]))
exec(sys.argv[2])
"""
IN_PROCESS = "print(open(os.environ['AIRFLOW_HOME'] + '/dags/cfg.yaml').read())"
IN_SHELL = "subprocess.run(['sh', '-c', 'cd / && cat $AIRFLOW_HOME/dags/cfg.yaml'], check=True)"
IN_SHELL_OF_A_SHELL = (
    "subprocess.run('sh -c \"cat $AIRFLOW_HOME/dags/cfg.yaml\"', shell=True, cwd='/', check=True)"
)
SYSTEM = "assert os.system('cat $AIRFLOW_HOME/dags/cfg.yaml') == 0"
CONF = (
    "from airflow.configuration import conf\n"
    "print(Path(conf.get('core', 'dags_folder'), 'cfg.yaml').read_text())"
)
CLOSED = "os.closerange(3, 1000)\nsubprocess.run(['echo', 'works'], check=True)"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    made = tmp_path / "home"
    made.mkdir()
    return made


def start(home: Path, folder: Path, program: str) -> subprocess.Popen[str]:
    environment = {
        "PATH": os.environ["PATH"], "AIRFLOW_HOME": str(home), "PYTHONPATH": str(SOURCE),
    }  # fmt: skip
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, folder, program],
        env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True,
    )  # fmt: skip


def outcome(process: subprocess.Popen[str]) -> str:
    output, _ = process.communicate("\n", timeout=PATIENCE_SECONDS)
    assert process.returncode == 0, output
    return output.strip()


def release(folder: Path, text: str) -> Path:
    folder.mkdir()
    (folder / "cfg.yaml").write_text(text)
    return folder


@pytest.mark.parametrize("program", [IN_PROCESS, IN_SHELL, IN_SHELL_OF_A_SHELL, SYSTEM, CONF])
def test_release_is_found(home: Path, tmp_path: Path, program: str) -> None:
    folder = release(tmp_path / "release", "of this release")
    assert outcome(start(home, folder, program)).splitlines()[-1] == "of this release"


def test_processes_of_two_releases_run_side_by_side(home: Path, tmp_path: Path) -> None:
    processes = [
        start(home, release(tmp_path / name, name), f"input()\n{IN_PROCESS}")
        for name in ("one", "two")
    ]
    assert [outcome(process) for process in processes] == ["one", "two"]


def test_folder_of_the_user_stays(home: Path, tmp_path: Path) -> None:
    release(home / "dags", "of the user")
    folder = release(tmp_path / "release", "of this release")
    assert outcome(start(home, folder, IN_PROCESS)) == "of the user"


def test_programs_start_when_the_folder_was_closed(home: Path, tmp_path: Path) -> None:
    assert outcome(start(home, release(tmp_path / "release", ""), CLOSED)) == "works"


def test_missing_folder_is_only_a_warning(home: Path, tmp_path: Path) -> None:
    output = outcome(start(home, tmp_path / "missing", "print('works')"))
    assert "is not the release's folder in this process" in output
    assert output.endswith("works")


def test_next_release_of_a_process_replaces_the_former(home: Path, tmp_path: Path) -> None:
    other = release(tmp_path / "other", "of the other")
    program = f"dags_folder.serve(Path({str(other)!r}))\n{IN_PROCESS}\n{IN_SHELL}"
    folder = release(tmp_path / "release", "of this release")
    assert outcome(start(home, folder, program)).count("of the other") == 2


def test_literal_path_of_mwaa_leads_to_the_release(home: Path, tmp_path: Path) -> None:
    """Made by the image's build; a laptop has no such folder, and making it needs root."""
    dockerfile = (ROOT / "images/airflow/Dockerfile").read_text()
    made = re.search(r"ln -s (\S+) /usr/local/airflow/dags\n", dockerfile)
    assert made and made[1] == f"{configuration.DEFAULT_AIRFLOW_HOME}/dags"
    link = tmp_path / "mwaa"
    link.symlink_to(home / "dags")
    program = f"subprocess.run(['cat', {str(link / 'cfg.yaml')!r}], check=True)"
    folder = release(tmp_path / "release", "of this release")
    assert outcome(start(home, folder, program)) == "of this release"
