"""The container of the ECS executor runs the workload at an address, and nothing else."""

import io
import os
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from waiting import eventually

from airflow_on_fargate import entrypoint, heartbeat
from airflow_on_fargate.executors import run_workload, workloads


class Bucket:
    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], bytes] = {}
        self.fault: Exception | None = None

    def put_object(self, Bucket: str, Key: str, Body: bytes, **_: Any) -> None:
        self.objects[Bucket, Key] = Body

    def get_object(self, Bucket: str, Key: str) -> dict[str, Any]:
        return {"Body": io.BytesIO(self.objects[Bucket, Key])}

    def delete_object(self, Bucket: str, Key: str) -> None:
        if self.fault:
            raise self.fault
        del self.objects[Bucket, Key]


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Bucket:
    made = Bucket()
    monkeypatch.setattr("boto3.client", lambda name: made)
    return made


@pytest.fixture(autouse=True)
def log_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A process that waits in place of the log server; the file that has its id."""
    file = tmp_path / "server"

    def wait() -> None:
        file.write_text(str(os.getpid()))
        time.sleep(600)

    monkeypatch.setattr(run_workload, "_serve_logs", wait)
    return file


def started(log_server: Path) -> int:
    """The id of the process of the log server, once it runs."""
    eventually(lambda: log_server.exists() and bool(log_server.read_text()))
    return int(log_server.read_text())


def test_runs_what_the_scheduler_stored(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch, log_server: Path
) -> None:
    ran: list[str] = []

    def run(text: str) -> None:
        assert psutil.pid_exists(started(log_server))
        ran.append(text)

    monkeypatch.setattr(run_workload, "run", run)
    address = workloads.store(bucket, "state", '{"token": "t"}')

    assert run_workload.main(address) == 0
    assert ran == ['{"token": "t"}']
    assert not psutil.pid_exists(started(log_server))
    assert heartbeat.age("worker") is not None


def test_log_server_ends_when_the_workload_cannot_run(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch, log_server: Path
) -> None:
    def fail(_: str) -> None:
        started(log_server)
        raise RuntimeError("the API server refused it")

    monkeypatch.setattr(run_workload, "run", fail)
    with pytest.raises(RuntimeError, match="refused"):
        run_workload.main(workloads.store(bucket, "state", "{}"))
    assert not psutil.pid_exists(started(log_server))


def test_workload_is_removed_when_it_has_been_read(bucket: Bucket) -> None:
    address = workloads.store(bucket, "state", "{}")
    assert workloads.take(bucket, address) == "{}"
    assert bucket.objects == {}


def test_workload_runs_although_it_cannot_be_removed(bucket: Bucket) -> None:
    bucket.fault = PermissionError("not yours")
    assert workloads.take(bucket, workloads.store(bucket, "state", "{}")) == "{}"


def test_names_of_two_workloads_are_not_guessable(bucket: Bucket) -> None:
    first, second = (workloads.store(bucket, "state", "{}") for _ in range(2))
    assert first != second
    # 32 bytes of chance, in base64.
    assert len(first.removeprefix("s3://state/workloads/").removesuffix(".json")) == 43


@pytest.mark.parametrize(
    "address", ["", "workloads/a.json", "s3://state/fleet/drain.json", "https://state/workloads/a"]
)
def test_other_addresses_are_refused(address: str, bucket: Bucket) -> None:
    with pytest.raises(workloads.WorkloadAddressError, match="Give the address of a workload"):
        workloads.take(bucket, address)


def test_entrypoint_has_the_command() -> None:
    assert entrypoint.WORKLOAD_COMMANDS == {"execute-workload": "executors.run_workload:main"}
