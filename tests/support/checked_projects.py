"""Small projects with a folder of DAGs, and `check-dags` as a person runs it on them."""

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parents[2]
CHECKS_PYTHON = os.environ.get("CHECKS_PYTHON", str(ROOT / ".venv/checks/bin/python"))
AIRFLOW_PYTHON = str(ROOT / ".venv/airflow/bin/python")

GOOD_DAG = """\
from airflow.sdk import dag, task


@dag(schedule=None, tags=["team"], default_args={"owner": "data", "retries": 2})
def good():
    @task
    def greet() -> str:
        return greeting("world")

    greet()


def greeting(name: str) -> str:
    return f"Hello {name}"


good()
"""
GOOD_TEST = """\
from good import greeting


def test_greets():
    assert greeting("you") == "Hello you"
"""
GOOD_FILES = {"dags/good.py": GOOD_DAG, "tests/test_good.py": GOOD_TEST}


def write(folder: Path, files: Mapping[str, str]) -> Path:
    """A project with these files."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


@dataclass(frozen=True)
class Checked:
    """What a run of `check-dags` left behind."""

    status: int
    output: str
    junit: ElementTree.Element | None
    sarif: dict[str, Any] | None

    def lines(self, rule: str) -> list[str]:
        return [line for line in self.output.splitlines() if line.endswith(f"[{rule}]")]

    def outcome(self, check: str) -> str:
        rows = [line.split() for line in self.output.splitlines()]
        return next(row[1] for row in rows if row[:1] == [check] and len(row) > 2)


def check_dags(project: Path, *options: str, **environment: str) -> Checked:
    """Check the folder `dags` of a project with the environment of the image."""
    junit, sarif = project / "report" / "junit.xml", project / "report" / "check.sarif"
    command = [
        CHECKS_PYTHON, "-m", "check_dags", str(project / "dags"), "--python", AIRFLOW_PYTHON,
        "--image-source", str(ROOT / "images/airflow/src"),
        "--junit", str(junit), "--sarif", str(sarif), *options,
    ]  # fmt: skip
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        cwd=project,
        timeout=600,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "checks/src"), **environment},
    )
    return Checked(
        done.returncode,
        done.stdout + done.stderr,
        ElementTree.parse(junit).getroot() if junit.exists() else None,
        json.loads(sarif.read_text()) if sarif.exists() else None,
    )
