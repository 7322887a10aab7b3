"""A task that cannot be sent is reported once, and the report never disturbs the scheduler.

What the API shows is in tests/integration/image/test_task_logs.py.
"""

from types import SimpleNamespace
from typing import Any

import pytest

from airflow_on_fargate import patches
from airflow_on_fargate.patches.scheduler import unsent_tasks


class RemoteLog:
    remote_base = "s3://bucket/logs"

    def __init__(self) -> None:
        self.written: list[tuple[str, str, bool]] = []
        self.fault: Exception | None = None

    def write(self, line: str, location: str, append: bool) -> bool:
        if self.fault:
            raise self.fault
        self.written.append((line, location, append))
        return True


@pytest.fixture
def remote(monkeypatch: pytest.MonkeyPatch) -> RemoteLog:
    remote = RemoteLog()
    monkeypatch.setattr("airflow.logging_config.get_remote_task_log", lambda: remote)
    return remote


@pytest.fixture
def executor(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The real executor, whose broker has one queue, without its connections."""
    from airflow.providers.celery.executors.celery_executor import CeleryExecutor

    for name in ("_send_workloads", "_send_workloads_to_celery"):
        monkeypatch.setattr(CeleryExecutor, name, getattr(CeleryExecutor, name))
    made = CeleryExecutor.__new__(CeleryExecutor)
    made.celery_app = SimpleNamespace(
        backend=None,
        conf=SimpleNamespace(broker_transport_options={"predefined_queues": {"default": {}}}),
    )
    made.event_buffer, made.queued_tasks, made.queued_callbacks = {}, {}, {}
    made.running, made.workloads = set(), {}
    made.workload_publish_retries, made.workload_publish_max_retries = {"key": 0}, 1
    made.team_name, made._sync_parallelism = None, 1
    return made


def send(executor: Any, monkeypatch: pytest.MonkeyPatch, queue: str, fault: BaseException) -> None:
    """One attempt of the executor to send one task."""
    from airflow.providers.celery.executors import celery_executor_utils as utils

    def failing(item: Any) -> Any:
        return item[0], item[1], utils.ExceptionWithTraceback(fault, "traceback")

    monkeypatch.setattr(utils, "send_workload_to_executor", failing)
    patches.apply("scheduler.unsent_tasks")
    workload = SimpleNamespace(log_path="dag_id=a/attempt=1.log")
    executor._send_workloads([("key", workload, queue, None)])
    unsent_tasks.writer.flush()


def test_other_failure_is_reported_with_its_exception(
    executor: Any, remote: RemoteLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(executor, monkeypatch, "default", PermissionError("not yours"))
    ((line, location, append),) = remote.written
    assert "The task could not be sent to the queue 'default': PermissionError: not yours" in line
    assert location == "s3://bucket/logs/dag_id=a/attempt=1.log.scheduler.log"
    # Reading a log to append to it could take the scheduler's memory.
    assert not append


def test_time_out_is_reported_only_when_it_is_not_tried_again(
    executor: Any, remote: RemoteLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.providers.celery.executors.celery_executor import AirflowTaskTimeout

    send(executor, monkeypatch, "default", AirflowTaskTimeout("too slow"))
    assert (executor.event_buffer, remote.written) == ({}, [])
    send(executor, monkeypatch, "default", AirflowTaskTimeout("too slow"))
    assert len(executor.event_buffer) == len(remote.written) == 1


def test_scheduler_goes_on_when_the_log_cannot_be_written(
    executor: Any, remote: RemoteLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    remote.fault = ConnectionError("no route")
    send(executor, monkeypatch, "gpu", LookupError())
    state, info = executor.event_buffer["key"]
    assert (state, info[:21]) == ("failed", "The queue 'gpu' does ")
    remote.fault = None
    executor.event_buffer.clear()
    send(executor, monkeypatch, "gpu", LookupError())
    assert len(remote.written) == 1


def test_full_backlog_leaves_a_line_out(remote: RemoteLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unsent_tasks, "_MAX_WAITING", 1)
    writer = unsent_tasks.Writer()
    monkeypatch.setattr(writer, "_start_thread", lambda: None)
    for _ in range(3):
        writer.write("attempt=1.log", "reason")
    assert writer._lines.qsize() == 1
