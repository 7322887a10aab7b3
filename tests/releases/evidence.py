"""What every try of every task has seen, compared with the release of its run in S3."""

import contextlib
import json
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from waiting import PATIENCE_SECONDS

from commands import smoke
from commands.airflow_api import AirflowApi
from contracts.release_manifest import ReleaseManifest, manifest_key
from contracts.release_pack import Pack
from tests.e2e.conftest import Deployed
from tests.releases.content import DAG_IDS, expected
from tests.releases.traffic import runs_of


@dataclass
class Evidence:
    """The number of inspected items, and each deviation.

    `overtaken` counts runs during which another release became current.
    """

    runs: int = 0
    tries: int = 0
    overtaken: int = 0
    releases: set[str] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)


class Inspection:
    """Inspects the runs of the suite's DAGs since the first release of `moments`, which lists when
    which release became current."""

    def __init__(self, deployed: Deployed, count: int, moments: list[tuple[datetime, str]]) -> None:
        self._s3 = deployed.workspace.client("s3")
        self._dags = deployed.outputs["DagBucketName"]
        self._logs = deployed.outputs["LogBucketName"]
        self._count = count
        self._moments = moments
        self._since = moments[0][0]
        self._hashes: dict[str, dict[str, str]] = {}
        self._keys: dict[tuple[str, ...], str] = {}

    def evidence(self, api: AirflowApi) -> Evidence:
        """The evidence of all runs, which have ended, from the API and the logs."""
        runs = [
            (run, api.task_instances(dag_id, run["dag_run_id"]))
            for dag_id in DAG_IDS
            for run in runs_of(api, dag_id, self._since)
        ]
        self._wait_for_logs([task for _, tasks in runs for task in tasks])
        found = Evidence()
        for run, tasks in runs:
            self._inspect(run, tasks, found)
        return found

    def _wait_for_logs(self, tasks: list[dict[str, Any]]) -> None:
        """Wait for the logs, which a worker uploads after the task. A missing log is reported
        later."""
        places = {_place(task, n) for task in tasks for n in range(1, task["try_number"] + 1)}

        def complete() -> bool:
            self._keys = self._log_keys()
            return places <= self._keys.keys()

        with contextlib.suppress(TimeoutError):
            smoke.wait_until(complete, PATIENCE_SECONDS, "the last log", interval=2)

    def _inspect(self, run: dict[str, Any], tasks: list[dict[str, Any]], found: Evidence) -> None:
        release = run["bundle_version"]
        name = f"{run['dag_id']} {run['dag_run_id']} of {release}"
        found.runs += 1
        found.releases.add(release)
        found.overtaken += self._was_overtaken(run)
        holds = expected(run["dag_id"], self._hashes_of(release), self._count)
        states = {task["task_id"]: task["state"] for task in tasks}
        if states != dict.fromkeys(("begin", f"step_{holds['dag']}", "end"), "success"):
            found.wrong.append(f"{name}, which contains {holds}: {run['state']}, {states}")
        for task in tasks:
            for number in range(1, task["try_number"] + 1):
                found.tries += 1
                seen = self._seen(task, number)
                if seen != [{**holds, "folder": release}]:
                    place = f"{task['task_id']}, try {number}"
                    found.wrong.append(f"{name}, which contains {holds}: {place} saw {seen}")

    def _was_overtaken(self, run: dict[str, Any]) -> bool:
        begun, ended = (datetime.fromisoformat(run[k]) for k in ("start_date", "end_date"))
        return any(
            begun < moment < ended and release != run["bundle_version"]
            for moment, release in self._moments
        )

    def _hashes_of(self, release: str) -> dict[str, str]:
        """The SHA-256 of each file of a release, from its manifest."""
        if release not in self._hashes:
            key = manifest_key("releases/", release)
            body = self._s3.get_object(Bucket=self._dags, Key=key)["Body"].read()
            manifest = ReleaseManifest.from_document(Pack(body).header)
            self._hashes[release] = {path: file.sha256 for path, file in manifest.files.items()}
        return self._hashes[release]

    def _log_keys(self) -> dict[tuple[str, ...], str]:
        """The key of each try's log, by run, task and attempt."""
        found = {}
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._logs)
        for key in (entry["Key"] for page in pages for entry in page.get("Contents", [])):
            parts = defaultdict(str, (part.split("=", 1) for part in key.split("/") if "=" in part))
            place = (parts["dag_id"], parts["run_id"], parts["task_id"], parts["attempt"])
            found[place] = key
        return found

    def _seen(self, task: dict[str, Any], number: int) -> list[dict[str, Any]]:
        """What the try printed; nothing if it has no log, which is a deviation too."""
        key = self._keys.get(_place(task, number))
        if key is None:
            return []
        body = self._s3.get_object(Bucket=self._logs, Key=key)["Body"].read()
        events = [json.loads(line).get("event", "") for line in body.splitlines() if line]
        return [json.loads(text.removeprefix("SAW ")) for text in events if text[:4] == "SAW "]


def _place(task: dict[str, Any], number: int) -> tuple[str, ...]:
    """The values that identify the log of a try."""
    return (task["dag_id"], task["dag_run_id"], task["task_id"], f"{number}.log")
