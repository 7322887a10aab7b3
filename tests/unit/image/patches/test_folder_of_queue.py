"""A worker of an isolated queue starts only tasks whose DAG file lies in the queue's folder.

Which paths those are is tested with the rule, in tests/unit/functions/contracts/test_queues.py.
"""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import httpx
import pytest

from airflow_on_fargate import patches

TASK = UUID("01890000-0000-7000-8000-000000000001")


class Api:
    """The execution API, as far as a task starts and ends there."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, Any]] = []
        self.answer_to_start = httpx.Response(200, json={})

    def __call__(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        self.requests.append((request.url.path.rsplit("/", 1)[-1], body))
        return self.answer_to_start if request.url.path.endswith("/run") else httpx.Response(204)

    def client(self) -> Any:
        from airflow.sdk.api.client import Client

        return Client(base_url="http://api", token="token", transport=httpx.MockTransport(self))

    @property
    def states(self) -> list[str]:
        return [body["state"] for _, body in self.requests]


@pytest.fixture
def api() -> Api:
    api = Api()
    context = {
        "dag_run": {
            "dag_id": "planted", "run_id": "run", "run_after": "2026-01-01T00:00:00Z",
            "start_date": "2026-01-01T00:00:00Z", "run_type": "manual", "state": "running",
            "consumed_asset_events": [], "logical_date": None, "data_interval_start": None,
            "data_interval_end": None, "end_date": None, "partition_key": None,
        },
        "task_reschedule_count": 0, "max_tries": 3, "should_retry": True,
    }  # fmt: skip
    api.answer_to_start = httpx.Response(200, json=context)
    return api


@pytest.fixture
def supervisor(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Airflow's supervisor on a worker of the isolated queue `team-a`."""
    from airflow.sdk.execution_time import (
        callback_supervisor,
        connection_test_supervisor,
        supervisor,
    )

    for owner, name in (
        (supervisor, "supervise_task"),
        (callback_supervisor, "supervise_callback"),
        (connection_test_supervisor, "supervise_connection_test"),
    ):
        monkeypatch.setattr(owner, name, getattr(owner, name))
    monkeypatch.setenv("WORKER_SECRETS_OF_QUEUE", "team-a")
    monkeypatch.setenv("AIRFLOW__LOGGING__BASE_LOG_FOLDER", str(tmp_path / "logs"))
    return supervisor


def supervise(supervisor: Any, api: Api, path: str, bundle: str = "releases") -> Any:
    return supervisor.supervise_task(
        ti=SimpleNamespace(
            id=TASK, dag_id="planted", task_id="steal", run_id="run", try_number=1, map_index=-1,
            queue="team-a",
        ),
        bundle_info=SimpleNamespace(name=bundle, version="20260101T000000Z-abc"),
        dag_rel_path=Path(path), token="token", server="http://api/execution/",
        log_path="dag_id=planted/attempt=1.log", client=api.client(),
    )  # fmt: skip


@pytest.fixture
def started(supervisor: Any, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The DAG files with which Airflow would have started a task."""
    paths: list[str] = []

    def start(**named: Any) -> int:
        paths.append(str(named["dag_rel_path"]))
        return 0

    monkeypatch.setattr(supervisor, "supervise_task", start)
    patches.apply("worker.folder_of_queue")
    return paths


def test_task_in_the_folder_of_the_queue_is_started(
    supervisor: Any, api: Api, started: list[str]
) -> None:
    assert supervise(supervisor, api, "team-a/x.py") == 0
    assert (started, api.requests) == (["team-a/x.py"], [])


@pytest.mark.parametrize(
    ("path", "bundle"),
    [
        ("team-b/x.py", "releases"),
        ("team-a/../team-b/x.py", "releases"),
        ("/opt/airflow/dags/team-a/x.py", "releases"),
        ("Team-A/x.py", "releases"),
        ("team-a.zip", "releases"),
        # Another bundle may have a folder of this name.
        ("team-a/x.py", "examples"),
    ],
)
def test_other_task_fails_before_it_starts(
    supervisor: Any, api: Api, started: list[str], tmp_path: Path, path: str, bundle: str
) -> None:
    assert supervise(supervisor, api, path, bundle) == 1
    assert started == []
    # Failed, although Airflow would let it retry.
    (_, running), (_, ended) = api.requests
    assert (running["state"], ended["state"]) == ("running", "failed")
    log = (tmp_path / "logs" / "dag_id=planted" / "attempt=1.log").read_text()
    line = json.loads(log.splitlines()[-1])
    assert line["level"] == "error"
    assert line["event"] == (
        "The queue 'team-a' is isolated: its workers run only the DAG files in the folder team-a/ "
        f"of the DAG bucket, and this task's DAG file is {path!r}. Move the file to team-a/, or "
        "use another queue. The task fails without a retry."
    )


def test_second_delivery_of_a_message_does_not_end_a_running_task(
    supervisor: Any, api: Api, started: list[str], tmp_path: Path
) -> None:
    from airflow.sdk.exceptions import TaskAlreadyRunningError

    detail = {"reason": "invalid_state", "previous_state": "running", "message": "it runs"}
    api.answer_to_start = httpx.Response(409, json={"detail": detail})
    with pytest.raises(TaskAlreadyRunningError):
        supervise(supervisor, api, "team-b/x.py")
    assert api.states == ["running"]
    assert not (tmp_path / "logs").exists()


def test_task_fails_when_its_log_cannot_be_written(
    supervisor: Any, api: Api, started: list[str], tmp_path: Path
) -> None:
    (tmp_path / "logs").write_text("not a folder")
    assert supervise(supervisor, api, "team-b/x.py") == 1
    assert api.states == ["running", "failed"]


def workload(kind: str, **fields: Any) -> Any:
    from airflow.executors import workloads
    from pydantic import TypeAdapter

    adapter: Any = TypeAdapter(workloads.ExecutorWorkload)
    return adapter.validate_python({"type": kind, "token": "token", **fields})


@pytest.mark.parametrize(
    "work",
    [
        {
            # Its file is in the folder, but the function is not.
            "kind": "ExecuteCallback", "dag_rel_path": "team-a/x.py", "log_path": None,
            "bundle_info": {"name": "releases"},
            "callback": {
                "id": "1", "fetch_method": "import_path", "data": {"path": "team_b.steal"},
            },
        },
        {
            "kind": "TestConnection", "connection_test_id": str(TASK), "connection_id": "own",
            "timeout": 1,
        },
    ],
)  # fmt: skip
def test_work_without_a_dag_file_is_refused(supervisor: Any, work: dict[str, Any]) -> None:
    from airflow.executors.base_executor import BaseExecutor

    patches.apply("worker.folder_of_queue")
    with pytest.raises(Exception, match="'team-a' is isolated: its workers run tasks only"):
        BaseExecutor.run_workload(workload(**work), server="http://api/execution/")


def test_worker_of_a_shared_queue_is_not_changed(
    supervisor: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WORKER_SECRETS_OF_QUEUE")
    original = supervisor.supervise_task
    patches.apply("worker.folder_of_queue")
    assert supervisor.supervise_task is original


def test_message_of_a_foreign_task_is_refused_by_celerys_task(
    supervisor: Any, started: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the message on: the function that Celery calls reaches the check."""
    from airflow.providers.celery.executors import celery_executor_utils

    from airflow_on_fargate.patches.worker import folder_of_queue

    refused: list[str] = []
    monkeypatch.setattr(
        folder_of_queue, "_fail", lambda reason, **named: refused.append(named["ti"].dag_id) or 1
    )
    for path in ("team-b/x.py", "team-a/x.py"):
        message = {
            "type": "ExecuteTask", "token": "token", "dag_rel_path": path, "log_path": None,
            "bundle_info": {"name": "releases", "version": None},
            "ti": {
                "id": str(TASK), "dag_id": path, "task_id": "t", "run_id": "run", "try_number": 1,
                "map_index": -1, "dag_version_id": str(TASK), "pool_slots": 1, "queue": "team-a",
                "priority_weight": 1, "parent_context_carrier": None, "context_carrier": None,
            },
        }  # fmt: skip
        celery_executor_utils.execute_workload(json.dumps(message))
    assert (refused, started) == (["team-b/x.py"], ["team-a/x.py"])
