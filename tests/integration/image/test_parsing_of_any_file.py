"""No file ends the dag-processor: each fault becomes an import error, and other files are parsed.

Airflow's manager, its parse processes and the database are real.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from faulty_dags import dag, import_errors
from waiting import PATIENCE_SECONDS

PROGRAM = Path(__file__).with_name("parse_folder.py")
ROOT = Path(__file__).parents[3]
PREVIOUS = ROOT / ".venv/airflow-previous/bin/python"
# A healthy file is parsed in time on a busy machine, too.
TIMEOUT_SECONDS = 40

Parse = Callable[..., dict[str, Any]]


FAULTS = import_errors(TIMEOUT_SECONDS)
HEALTHY = [f"healthy_{number}" for number in range(12)]
# Its log file's name would have 256 and 259 bytes. Two bytes per character in the second.
LONG_NAMES = {"long_name": "n" * 249 + ".py", "longest_name": "é" * 126 + ".py"}
# DAGs that open a file beside them, by the paths of the examples of Airflow and MWAA.
CONFIGURED = {
    "uses_dags_folder": "conf.get('core', 'dags_folder')",
    "uses_airflow_home": "os.path.join(os.environ['AIRFLOW_HOME'], 'dags')",
}
READING = (
    "import os\nfrom airflow.configuration import conf\n"
    "assert open(os.path.join({}, 'cfg.yaml')).read() == 'a: 1'"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "dags"
    made.mkdir()
    return made


@pytest.fixture
def parse(postgres: Any, tmp_path: Path, folder: Path) -> Iterator[Parse]:
    """Runs the program in one database, which is dropped at the end."""
    postgres.execute("CREATE ROLE parses LOGIN PASSWORD 'p'; CREATE DATABASE parses OWNER parses;")
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(tmp_path / "home"),
        "PYTHONPATH": str(ROOT / "images/airflow/src"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": (
            f"postgresql+psycopg2://parses:p@127.0.0.1:{postgres.port}/parses"
        ),
        "AIRFLOW__CORE__MIN_SERIALIZED_DAG_UPDATE_INTERVAL": "0",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        # As in the stack: it writes permissions in the session that records a DAG.
        "AIRFLOW__CORE__AUTH_MANAGER": (
            "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"
        ),
        "AIRFLOW__LOGGING__DAG_PROCESSOR_LOG_TARGET": "stdout",
        "AIRFLOW__LOGGING__DAG_PROCESSOR_CHILD_PROCESS_LOG_DIRECTORY": str(tmp_path / "logs"),
        "AIRFLOW__DAG_PROCESSOR__DAG_FILE_PROCESSOR_TIMEOUT": str(TIMEOUT_SECONDS),
        # Files that never end are waited for side by side, while two parse the others.
        "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": "5",
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps(
            [
                {
                    "name": "folder",
                    "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
                    "kwargs": {"path": str(folder)},
                }
            ]
        ),
    }

    def run(
        *words: str, python: str | Path = sys.executable, log_target: str = "stdout"
    ) -> dict[str, Any]:
        environment["AIRFLOW__LOGGING__DAG_PROCESSOR_LOG_TARGET"] = log_target
        done = subprocess.run(
            [python, PROGRAM, *(words or ("patched",))],
            env=environment, capture_output=True, text=True, errors="replace",
            timeout=2 * PATIENCE_SECONDS,
        )  # fmt: skip
        (tmp_path / "output.txt").write_text(done.stdout + done.stderr)
        assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
        printed: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return printed

    yield run
    postgres.execute("DROP DATABASE parses WITH (FORCE); DROP ROLE parses;")


@pytest.mark.parametrize("python", [Path(sys.executable), PREVIOUS], ids=["current", "previous"])
def test_each_fault_is_an_import_error_and_healthy_files_run(
    parse: Parse, folder: Path, python: Path
) -> None:
    if not python.exists():
        pytest.skip("the previous edition is installed by `make test-upgrade`")
    for name, (data, _) in FAULTS.items():
        (folder / name).write_bytes(data)
    for name in HEALTHY:
        (folder / f"{name}.py").write_text(dag(name))
    for dag_id, name in LONG_NAMES.items():
        (folder / name).write_text(dag(dag_id))
    (folder / "cfg.yaml").write_text("a: 1")
    for dag_id, expression in CONFIGURED.items():
        (folder / f"{dag_id}.py").write_text(dag(dag_id, before=READING.format(expression)))
    (folder / ".airflowignore").write_bytes(b"# caf\xe9\n!\nignored*\n")
    (folder / "ignored.py").write_text(dag("ignored"))

    found = parse(python=python)

    expected = {name: reason for name, (_, reason) in FAULTS.items()}
    assert set(found["errors"]) == set(expected)
    wrong = {
        name: found["errors"][name]
        for name in expected
        if expected[name] not in found["errors"][name]
    }
    assert wrong == {}
    runs = {"stale": False, "tasks": ["only"]}
    assert found["dags"] == dict.fromkeys([*HEALTHY, *LONG_NAMES, *CONFIGURED], runs)
    assert found["logs"] == []


def test_last_recorded_version_is_kept_until_the_file_can_be_recorded_again(
    parse: Parse, folder: Path
) -> None:
    killed = "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)"

    def write(task_id: str, description: str, before: str) -> dict[str, Any]:
        description = f"description={description!r}"
        (folder / "value.py").write_text(dag("value", description, task_id=task_id))
        (folder / "process.py").write_text(dag("process", before=before, task_id=task_id))
        return parse()

    good = write("one", "text", "")
    assert good["errors"] == {}
    assert good["dags"]["value"] == good["dags"]["process"] == {"stale": False, "tasks": ["one"]}

    bad = write("two", "\0", killed)
    assert set(bad["errors"]) == {"value.py", "process.py"}
    # As with every import error. A process may be killed for other reasons than its file.
    assert bad["dags"]["value"] == {"stale": True, "tasks": ["one"]}
    assert bad["dags"]["process"] == {"stale": False, "tasks": ["one"]}

    again = write("three", "text", "")
    assert again["errors"] == {}
    assert again["dags"] == {
        dag_id: {"stale": False, "tasks": ["three"]} for dag_id in ("value", "process")
    }


def test_parse_that_cannot_start_is_an_import_error(parse: Parse, folder: Path) -> None:
    name = LONG_NAMES["long_name"]
    (folder / name).write_text(dag("long_name"))
    (folder / "healthy.py").write_text(dag("healthy"))

    found = parse(log_target="file")

    assert set(found["errors"]) == {name}
    assert "File name too long" in found["errors"][name]
    assert found["dags"] == {"healthy": {"stale": False, "tasks": ["only"]}}
    assert [Path(log).name for log in found["logs"]] == ["healthy.py.log"]
