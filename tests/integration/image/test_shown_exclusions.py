"""The reasons why files stay out of a release are import errors that no parse removes.

Airflow's manager, its parse processes, its API and the database are real.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

PROGRAM = Path(__file__).with_name("shown_exclusions.py")
ROOT = Path(__file__).parents[3]
SIMPLE = "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager"
LEFT_OUT = "Left out of the current DAG release.\n\n"

HEALTHY = "from airflow.sdk import DAG\nwith DAG({!r}, schedule=None):\n    pass\n"
KILLED = "import os, signal  # airflow dag\nos.kill(os.getpid(), signal.SIGKILL)\n"
# In the release: versions that stayed live.
FILES = {
    "kept.py": HEALTHY.format("kept"),
    "kept_but_broken.py": "from airflow.sdk import DAG\nimport no_such_package\n",
    "kept_but_killed.py": KILLED,
}
ABSENT = ("absent.py", "dags//odd.py")
EXCLUSIONS = {path: f"{path}, line 2: SyntaxError" for path in (*FILES, *ABSENT)}


@pytest.fixture
def shown(postgres: Any, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Runs the program in a database of its own."""
    postgres.execute("CREATE ROLE shown LOGIN PASSWORD 'p'; CREATE DATABASE shown OWNER shown;")
    folder = tmp_path / "dags"
    folder.mkdir()
    for path, source in FILES.items():
        (folder / path).write_text(source)
    (tmp_path / "exclusions.json").write_text(json.dumps(EXCLUSIONS))
    bundle = {
        "name": "folder",
        "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
        # Each loop scans the folder.
        "kwargs": {"path": str(folder), "refresh_interval": 0},
    }
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(tmp_path / "home"),
        "PYTHONPATH": str(ROOT / "images/airflow/src"),
        "AIRFLOW__API_AUTH__JWT_SECRET": "j" * 64,
        "AIRFLOW__CORE__AUTH_MANAGER": SIMPLE,
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": (
            f"postgresql+psycopg2://shown:p@127.0.0.1:{postgres.port}/shown"
        ),
        "AIRFLOW__LOGGING__DAG_PROCESSOR_LOG_TARGET": "stdout",
        "AIRFLOW__DAG_PROCESSOR__BUNDLE_REFRESH_CHECK_INTERVAL": "0",
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "0",
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps([bundle]),
    }

    def run(*words: str) -> Any:
        done = subprocess.run(
            [sys.executable, PROGRAM, tmp_path, *words],
            env=environment, capture_output=True, text=True, timeout=300,
        )  # fmt: skip
        (tmp_path / "output.txt").write_text(done.stdout + done.stderr)
        assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
        return json.loads(done.stdout.splitlines()[-1])

    yield run
    postgres.execute("DROP DATABASE shown WITH (FORCE); DROP ROLE shown;")


@pytest.mark.timeout(400)
def test_no_parse_and_no_scan_removes_why_a_file_stays_out(shown: Callable[..., Any]) -> None:
    found = shown()
    assert found["removed"] == []
    listed = found["listed"]
    assert set(listed) == set(EXCLUSIONS)
    for path, reason in EXCLUSIONS.items():
        assert listed[path].endswith(LEFT_OUT + reason), path
    # What Airflow says about the version that is live comes first.
    for path in ("kept.py", *ABSENT):
        assert listed[path] == LEFT_OUT + EXCLUSIONS[path]
    assert "ModuleNotFoundError" in listed["kept_but_broken.py"]
    assert "ended by SIGKILL" in listed["kept_but_killed.py"]
    assert found["stale"] == {"kept": False}


@pytest.mark.timeout(400)
def test_airflow_alone_removes_it(shown: Callable[..., Any]) -> None:
    """The patch has a reason, and the test above can fail."""
    found = shown("unpatched")
    assert set(found["removed"]) == {"kept.py", *ABSENT}
    assert set(found["listed"]) == {"kept_but_broken.py", "kept_but_killed.py"}
