"""500 files, 40 of them faults of all kinds: the others run, and the dag-processor survives.

The publisher leaves half of the faults out. The other half goes live, and each fault shows when
Airflow parses the file, or records the result.
"""

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from faulty_dags import BEFORE, LEFT_OUT, healthy, import_errors, key_of

from commands import smoke
from commands.airflow_api import SECONDS, AirflowApi
from commands.workspace import ROOT
from tests.e2e.conftest import Deployed
from tests.releases.modes import set_mode
from tests.releases.traffic import FORGIVING, Publishing
from tests.releases.vigil import LONGEST_PAUSE_SECONDS, Vigil, longest_pause

HEALTHY = 460
FAULTS = 40
# Airflow's default of [dag_processor] dag_file_processor_timeout.
LIMIT_SECONDS = 50
# Kinds that another file of the folder has, too; the tests of the image have all of them.
SIMILAR = {
    "nul_in_tag.py", "integer_of_70_bits.py", "display_name_too_long.py", "tag_too_long.py",
    "id_too_long.py", "asset_too_long.py", "surrogate_in_message.py", "aborted.py",
    "ended_with_code.py", "recursion.py", "raises_in_serialization.py", "no_interval.py",
    "stopped.py",
}  # fmt: skip
RUNS = 10


def faults() -> dict[str, tuple[bytes, str]]:
    """The files that go live and fail then."""
    each = import_errors(LIMIT_SECONDS).items()
    return {f"faults/{name}": fault for name, fault in each if name not in SIMILAR}


class Folder:
    """The DAGs folder of the bucket, filled as a user does: `aws s3 sync`, and odd keys."""

    def __init__(self, deployed: Deployed, path: Path) -> None:
        self._deployed = deployed
        self._path = path
        self._bucket = deployed.outputs["DagBucketName"]

    def become(self, files: dict[str, bytes]) -> None:
        odd = {path for path in files if "//" in path or max(map(len, path.split("/"))) > 255}
        for path in sorted(files.keys() - odd):
            target = self._path / path
            # What a file system cannot hold together: a file and a folder of the same name.
            if any(parent.is_file() for parent in target.parents):
                odd.add(path)
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(files[path])
        subprocess.run(
            [ROOT / ".venv/tools/bin/aws", "s3", "sync", "--delete", "--only-show-errors",
             self._path, f"s3://{self._bucket}/dags/"],
            env={**os.environ, **self._deployed.workspace.environment(), "LC_ALL": "C.UTF-8"},
            check=True, timeout=300,
        )  # fmt: skip
        s3 = self._deployed.workspace.client("s3")
        for path in odd:
            s3.put_object(Bucket=self._bucket, Key=f"dags/{path}", Body=files[path])


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Wait until it holds. The API may not answer while the machine parses 500 files."""

    def holds() -> bool:
        try:
            return condition()
        except requests.RequestException:
            return False

    smoke.wait_until(holds, 900, what, interval=3)


def pages(api: AirflowApi, path: str, name: str, **parameters: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while True:
        page = api.get(path, limit=100, offset=len(found), **parameters)
        found += page[name]
        if len(found) >= page["total_entries"] or not page[name]:
            return found


def errors(api: AirflowApi) -> dict[str, str]:
    """The import errors of the API: file → text."""
    each = pages(api, "importErrors", "import_errors")
    return {error["filename"]: error["stack_trace"] for error in each}


@pytest.mark.timeout(3600)
def test_460_healthy_files_run_beside_40_faults_of_all_kinds(
    deployed: Deployed, tmp_path: Path
) -> None:
    set_mode(deployed, FORGIVING)
    api, publishing = deployed.api(), Publishing(deployed, FORGIVING)
    folder = Folder(deployed, tmp_path / "dags")
    files, dag_ids = healthy(HEALTHY)
    live_faults = faults()
    assert len(files) == HEALTHY
    assert len(LEFT_OUT) + len(live_faults) == FAULTS
    dag_ids |= {"kept", "imports_it", "taken"}

    former = publishing.current()
    folder.become(dict(BEFORE))
    smoke.wait_until(lambda: publishing.current() != former, 60, "the release before")
    smoke.wait_until(lambda: "kept" in api.dags(), 120, "the DAGs of the release before")
    with Vigil(deployed) as seen:
        begun = time.monotonic()
        folder.become(
            files
            | {key_of(path): data for path, (data, _) in LEFT_OUT.items()}
            | {path: data for path, (data, _) in live_faults.items()}
            | {path: data for path, data in BEFORE.items() if path not in LEFT_OUT}
        )
        smoke.wait_until(
            lambda: publishing.exclusions().keys() == LEFT_OUT.keys(), 120, "the report", interval=1
        )
        release = publishing.current()
        published = time.monotonic() - begun
        wait_until(
            lambda: errors(api).keys() == LEFT_OUT.keys() | live_faults.keys(), "the import errors"
        )
        wait_until(lambda: current_dags(api, release) == dag_ids, "the healthy DAGs")
        parsed = time.monotonic() - begun
        check_reports(errors(api), live_faults)
        check_runs(api, release, sorted(dag_ids))
        # Each file has been parsed again meanwhile, and the reports are still there.
        check_reports(errors(api), live_faults)
    print(
        f"published after {published:.0f} s, parsed after {parsed:.0f} s, {len(seen.health)} looks"
    )

    assert seen.failures == []
    assert [len(seen.tasks), len(seen.containers), len(seen.processes)] == [1, 1, 1]
    assert set(seen.health) == {"HEALTHY"}
    assert set(seen.airflow) == {"healthy"}
    assert longest_pause(seen.heartbeats) < LONGEST_PAUSE_SECONDS


def current_dags(api: AirflowApi, release: str) -> set[str]:
    """The DAGs that the release was parsed with."""
    dags = pages(api, "dags", "dags")
    return {
        dag["dag_id"] for dag in dags if not dag["is_stale"] and dag["bundle_version"] == release
    }


def check_reports(found: dict[str, str], live_faults: dict[str, tuple[bytes, str]]) -> None:
    """Each fault has an import error with its reason, and nothing else has one."""
    reasons = {path: reason for path, (_, reason) in {**LEFT_OUT, **live_faults}.items()}
    wrong = {path: found.get(path) for path in reasons if reasons[path] not in found.get(path, "")}
    assert wrong == {}
    assert found.keys() == reasons.keys()


def check_runs(api: AirflowApi, release: str, dag_ids: list[str]) -> None:
    """A run of each DAG can be created, of this release and with its task; some are executed."""
    for dag_id in dag_ids:
        url = f"{api.base_url}/api/v2/dags/{dag_id}/dagRuns"
        answer = api.session.post(url, json={"logical_date": None}, timeout=SECONDS)
        answer.raise_for_status()
        assert answer.json()["bundle_version"] == release
    instances = pages(api, "dags/~/dagRuns/~/taskInstances", "task_instances", task_id="only")
    assert {instance["dag_id"] for instance in instances} >= set(dag_ids)
    some = dag_ids[:: len(dag_ids) // RUNS]
    runs = {dag_id: api.trigger(dag_id) for dag_id in some}
    wait_until(
        lambda: all(api.run(*run)["state"] == "success" for run in runs.items()),
        f"the end of the runs of {some}",
    )
