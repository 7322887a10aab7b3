"""`make FOLDER`: create runs, as the API server does, until FOLDER/stop exists.

`judge FOLDER`: whether each has the tasks of its release, by FOLDER/numbers.json; prints JSON.
"""

import json
import random
import sys
import time
from collections import defaultdict
from pathlib import Path

from airflow._shared.timezones import timezone
from airflow.models.dagbag import DBDagBag
from airflow.models.dagrun import DagRun
from airflow.models.errors import ParseImportError
from airflow.models.taskinstance import TaskInstance
from airflow.utils.session import create_session
from airflow.utils.state import DagRunState
from airflow.utils.types import DagRunTriggeredByType, DagRunType
from sqlalchemy import select

from airflow_on_fargate import patches
from airflow_on_fargate.import_error_rows import split

DAG_IDS = ("first", "second", "third")


def make(folder: Path) -> None:
    """Create runs of random DAGs; after the first one, create FOLDER/ready."""
    patches.apply("api_server.run_creation")
    chance, bag, number = random.Random(7), DBDagBag(), 0
    while not (folder / "stop").exists():
        with create_session() as session:
            dag = bag.get_latest_version_of_dag(chance.choice(DAG_IDS), session=session)
            if dag:
                dag.create_dagrun(
                    run_id=f"run{number}", logical_date=None, run_after=timezone.utcnow(),
                    data_interval=None, run_type=DagRunType.MANUAL, state=DagRunState.QUEUED,
                    triggered_by=DagRunTriggeredByType.REST_API, session=session,
                )  # fmt: skip
                number += 1
        if number == 1:
            (folder / "ready").touch()
        time.sleep(chance.uniform(0, 0.15))


def judge(folder: Path) -> None:
    """All runs."""
    numbers = json.loads((folder / "numbers.json").read_text())
    tasks: dict[tuple[str, str], set[str]] = defaultdict(set)
    with create_session() as session:
        instance = (TaskInstance.dag_id, TaskInstance.run_id, TaskInstance.task_id)
        for dag_id, run_id, task_id in session.execute(select(*instance)):
            tasks[dag_id, run_id].add(task_id)
        run = (DagRun.dag_id, DagRun.run_id, DagRun.bundle_version)
        runs = session.execute(select(*run)).all()
        error = (ParseImportError.filename, ParseImportError.stacktrace)
        errors = {path: split(text) for path, text in session.execute(select(*error))}
    wrong = [
        f"{dag_id} {run_id} of {release}, number {numbers[release]}: {sorted(has)}"
        for dag_id, run_id, release in runs
        if (has := tasks[dag_id, run_id]) != {"begin", f"step_{numbers[release]}", "end"}
    ]
    releases = len({release for _, _, release in runs})
    found = {
        "runs": len(runs), "of releases": releases, "wrong": wrong,
        "import errors": sum(bool(airflow) for airflow, _ in errors.values()),
        "left out": sorted(path for path, (_, exclusion) in errors.items() if exclusion),
    }  # fmt: skip
    print(json.dumps(found))


if __name__ == "__main__":
    {"make": make, "judge": judge}[sys.argv[1]](Path(sys.argv[2]))
