"""A run stays on the release that it started with while the next one goes live.

The first task of a run waits until Airflow shows the second release, which has changed code, a
changed module and a changed structure. From then on everything in the run (the rest of that task
with a late import, a failing try and its retry, the next task, a command, its template, the files
that they open in the DAGs folder, tasks that are cleared long after the run) must belong to the
first release.
"""

import json
from string import Template
from typing import Any

import requests
from waiting import PATIENCE_SECONDS

from commands import smoke
from commands.airflow_api import SECONDS, AirflowApi
from tests.e2e.conftest import Deployed

DAG_ID = "kept"
GO = "kept_go"
DAG = Template('''
"""What a run sees of its release: this file, two modules beside it, a text file."""
import os
import time
from datetime import timedelta
from pathlib import Path

from airflow.configuration import conf
from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG, Variable, get_current_context, task
from kept_modules import early

def seen():
    from kept_modules import late

    folders = [
        Path(__file__).parent,
        Path(conf.get("core", "dags_folder")),
        Path(os.environ["AIRFLOW_HOME"], "dags"),
    ]
    texts = [Path(folder, "kept_modules", "text.txt").read_text() for folder in folders]
    return ["$release", early.RELEASE, late.RELEASE, *texts]

with DAG(
    "kept",
    schedule=None,
    tags=["$release"],
    template_searchpath=[conf.get("core", "dags_folder")],
):

    @task
    def first():
        while Variable.get("kept_go", default="no") != "yes":
            time.sleep(0.5)
        return seen()

    @task(retries=1, retry_delay=timedelta(seconds=1))
    def $second():
        if get_current_context()["ti"].try_number == 1:
            raise RuntimeError(f"failing once, as {seen()}")
        return seen()

    @task
    def third():
        return seen()

    shell = BashOperator(task_id="shell", bash_command="kept_modules/shell.sh")
    first() >> $second() >> third() >> shell
''')
# A template; its last line of output is the task's return value.
SHELL = Template("""
cd /
text=$$(cat "$$AIRFLOW_HOME/dags/kept_modules/text.txt")
echo "[\\"$release\\", \\"{{ dag.tags | first }}\\", \\"$$text\\"]"
""")
TASKS = {
    "one": {"first", "second", "third", "shell"},
    "two": {"first", "between", "third", "shell"},
}


def publish(deployed: Deployed, release: str) -> None:
    """Put all files of a release together; a zip would replace the files of the other tests."""
    second = (TASKS[release] - {"first", "third", "shell"}).pop()
    files = {
        "kept_modules/__init__.py": "",
        "kept_modules/early.py": f"RELEASE = {release!r}\n",
        "kept_modules/late.py": f"RELEASE = {release!r}\n",
        "kept_modules/text.txt": release,
        "kept_modules/shell.sh": SHELL.substitute(release=release),
        # The last file, so that a release that contains it contains all files.
        f"{DAG_ID}.py": DAG.substitute(release=release, second=second),
    }
    s3 = deployed.workspace.client("s3")
    for path, text in files.items():
        s3.put_object(
            Bucket=deployed.outputs["DagBucketName"], Key=f"dags/{path}", Body=text.encode()
        )


def shown(deployed: Deployed, api: AirflowApi, release: str) -> Any:
    """The bundle version, once Airflow shows the DAG of this release.

    Version and tags are both checked: the API reads a DAG and its tags one after the other, and a
    parse may happen in between.
    """
    body = deployed.workspace.client("s3").get_object(
        Bucket=deployed.outputs["DagBucketName"], Key="releases/current.json"
    )["Body"]
    current = json.loads(body.read())["release"]
    dag = api.dags().get(DAG_ID, {"bundle_version": None, "tags": []})
    same = dag["bundle_version"] == current and [t["name"] for t in dag["tags"]] == [release]
    return current if same else None


def task_of(api: AirflowApi, run_id: str, name: str) -> dict[str, Any]:
    (found,) = [t for t in api.task_instances(DAG_ID, run_id) if t["task_id"] == name]
    return found


def seen(api: AirflowApi, run_id: str) -> dict[str, list[str]]:
    """The return value of each task of a run after its last try."""
    path = f"dags/{DAG_ID}/dagRuns/{run_id}/taskInstances"
    return {
        t["task_id"]: json.loads(value) if isinstance(value, str) else value
        for t in api.task_instances(DAG_ID, run_id)
        for value in [api.get(f"{path}/{t['task_id']}/xcomEntries/return_value")["value"]]
    }


def seen_of(release: str) -> dict[str, list[str]]:
    """What all tasks of a run see that only sees this release."""
    return {name: [release] * (3 if name == "shell" else 6) for name in TASKS[release]}


def ended(api: AirflowApi, run_id: str) -> bool:
    return api.run(DAG_ID, run_id)["state"] in ("success", "failed")


def post(api: AirflowApi, path: str, body: dict[str, Any]) -> requests.Response:
    answer = api.session.post(f"{api.base_url}/api/v2/{path}", json=body, timeout=SECONDS)
    answer.raise_for_status()
    return answer


def test_run_stays_on_its_release_when_the_next_goes_live(deployed: Deployed) -> None:
    api = deployed.api()
    publish(deployed, "one")
    one = smoke.wait_until(
        lambda: shown(deployed, api, "one"), PATIENCE_SECONDS, "the first release"
    )
    old = api.trigger(DAG_ID)
    smoke.wait_until(
        lambda: task_of(api, old, "first")["state"] == "running", 120, "the start of the first task"
    )
    publish(deployed, "two")
    two = smoke.wait_until(
        lambda: shown(deployed, api, "two"), PATIENCE_SECONDS, "the second release"
    )
    post(api, "variables", {"key": GO, "value": "yes"})
    new = api.trigger(DAG_ID)
    smoke.wait_until(
        lambda: ended(api, old) and ended(api, new), PATIENCE_SECONDS, "the end of both runs"
    )

    for run_id, version, release in ((old, one, "one"), (new, two, "two")):
        run = api.run(DAG_ID, run_id)
        assert (run["state"], run["bundle_version"]) == ("success", version)
        assert seen(api, run_id) == seen_of(release)
    retried = task_of(api, old, "second")
    assert retried["try_number"] == 2
    first_try = api.log({**retried, "try_number": 1})
    assert f"failing once, as {['one'] * 6}" in first_try

    # Cleared when the run is over and its release is not current, without naming a version, as
    # the UI's button does.
    post(
        api, f"dags/{DAG_ID}/clearTaskInstances",
        {"dry_run": False, "dag_run_id": old, "task_ids": ["second"], "only_failed": False,
         "include_downstream": True},
    )  # fmt: skip
    assert not ended(api, old)
    smoke.wait_until(lambda: ended(api, old), PATIENCE_SECONDS, "the end of the cleared tasks")

    run = api.run(DAG_ID, old)
    assert (run["state"], run["bundle_version"]) == ("success", one)
    assert seen(api, old) == seen_of("one")
    tries = {t["task_id"]: t["try_number"] for t in api.task_instances(DAG_ID, old)}
    assert tries == {"first": 1, "second": 3, "third": 2, "shell": 2}
