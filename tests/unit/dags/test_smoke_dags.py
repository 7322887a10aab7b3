"""The example DAGs load and have the tasks that the README describes.

Needs the Airflow environment (images/airflow/requirements.lock and pytest); neither network nor
database. Airflow runs in a process of its own, because it reads its configuration at import.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

DAGS = Path(__file__).parents[3] / "dags"
EXAMPLES = Path(__file__).parents[3] / "docs" / "examples"

DESCRIBE = """
import json, sys
from airflow.dag_processing.dagbag import DagBag
bag = DagBag(sys.argv[1], safe_mode=False)
print(json.dumps({
    "errors": bag.import_errors,
    "dags": {
        d.dag_id: {
            "schedule": repr(d.schedule), "tags": sorted(d.tags), "doc": d.doc_md or "",
            "tasks": sorted(d.task_ids), "paused": d.is_paused_upon_creation,
        } for d in bag.dags.values()
    },
}))
"""

TASKS = {
    "smoke_classic": ["python", "report", "shell"],
    "smoke_mapped": ["add_up", "list_items", "square"],
    "smoke_deferrable": ["say_done", "wait"],
    "smoke_secrets": ["combine", "read_connection", "read_variable"],
}


@pytest.fixture(scope="module")
def bag(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return described(DAGS, tmp_path_factory)


def described(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    home = str(tmp_path_factory.mktemp("airflow"))
    result = subprocess.run(
        [sys.executable, "-c", DESCRIBE, str(folder)],
        env={
            "PATH": os.environ["PATH"],
            "HOME": home,
            # The folder is uploaded as it is, so it must not contain bytecode.
            "PYTHONDONTWRITEBYTECODE": "1",
            "AIRFLOW_HOME": home,
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    found: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    return found


def test_airflow_parses_all_files(bag: dict[str, Any]) -> None:
    assert bag["errors"] == {}


def test_airflow_parses_the_examples_of_the_documentation(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    found = described(EXAMPLES, tmp_path_factory)

    assert found["errors"] == {}
    assert {name: dag["tasks"] for name, dag in found["dags"].items()} == {
        "run_another_image": ["hello", "last_line"]
    }


def test_folder_contains_exactly_these_dags(bag: dict[str, Any]) -> None:
    assert {name: dag["tasks"] for name, dag in bag["dags"].items()} == TASKS


@pytest.mark.parametrize("name", sorted(TASKS))
def test_no_dag_has_a_schedule(bag: dict[str, Any], name: str) -> None:
    assert bag["dags"][name]["schedule"] == "None"


@pytest.mark.parametrize("name", sorted(TASKS))
def test_every_dag_describes_its_purpose(bag: dict[str, Any], name: str) -> None:
    assert bag["dags"][name]["tags"] == ["example", "smoke"]
    assert bag["dags"][name]["doc"].lstrip().startswith("###")
