"""A run has the tasks of its release, even when the next is recorded while it is created."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from waiting import PATIENCE_SECONDS

PROGRAM = Path(__file__).with_name("runs_of_one_release.py")
SOURCES = Path(__file__).parents[3] / "images/airflow/src"


def outcome(postgres: Any, home: Path, *arguments: str) -> list[dict[str, Any]]:
    """The program's output about its two runs, with a separate database."""
    postgres.execute("CREATE ROLE runs LOGIN PASSWORD 'runs'; CREATE DATABASE runs OWNER runs;")
    url = f"postgresql+psycopg2://runs:runs@127.0.0.1:{postgres.port}/runs"
    environment = {
        **os.environ, "AIRFLOW_HOME": str(home), "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": url,
        "AIRFLOW__CORE__MIN_SERIALIZED_DAG_UPDATE_INTERVAL": "0", "PYTHONPATH": str(SOURCES),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    }  # fmt: skip
    try:
        done = subprocess.run(
            [sys.executable, PROGRAM, *arguments],
            env=environment, capture_output=True, text=True, timeout=PATIENCE_SECONDS,
        )  # fmt: skip
    finally:
        postgres.execute("DROP DATABASE runs WITH (FORCE); DROP ROLE runs;")
    assert done.returncode == 0, done.stderr[-3000:]
    printed: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return printed


def test_run_has_the_tasks_of_its_release_when_the_next_is_recorded_meanwhile(
    postgres: Any, tmp_path: Path
) -> None:
    assert outcome(postgres, tmp_path, "patched") == [
        {"release": "two", "tasks": ["two"], "locked": True},
        {"release": "four", "tasks": ["four"], "locked": True},
    ]
