"""What the container of the ECS executor runs: `execute-workload s3://<bucket>/workloads/...`.

The same as a worker does for one task: the supervisor runs it, reports its state, and uploads its
log. Meanwhile the API server can read the log from here, and the health check finds a heartbeat.
"""

import importlib
import multiprocessing
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from airflow_on_fargate import heartbeat
from airflow_on_fargate.contracts.names import WORKER
from airflow_on_fargate.executors import workloads

HEARTBEAT_SECONDS: Final = 5.0


def main(address: str) -> int:
    """The exit code: 0 when the state of the task has been reported, whatever it is."""
    import boto3

    # The fork shares what is imported before it.
    importlib.import_module("airflow.executors.workloads")
    text = workloads.take(boto3.client("s3"), address)
    # The thread of the heartbeat comes after the fork.
    with _log_server(), _heartbeat():
        run(text)
    return 0


def run(text: str) -> None:
    """Run a workload to its end. Raises what kept it from reporting its state."""
    from airflow.configuration import conf
    from airflow.executors.base_executor import BaseExecutor
    from airflow.executors.workloads import ExecutorWorkload
    from airflow.sdk.log import configure_logging
    from pydantic import TypeAdapter

    decoder: TypeAdapter[Any] = TypeAdapter(ExecutorWorkload)
    workload = decoder.validate_json(text)
    configure_logging(output=sys.stdout.buffer, json_output=True)
    BaseExecutor.run_workload(
        workload,
        subprocess_logs_to_stdout=conf.getboolean("logging", "task_logs_to_stdout", fallback=False),
    )


@contextmanager
def _heartbeat() -> Iterator[None]:
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(HEARTBEAT_SECONDS):
            heartbeat.beat(WORKER)

    heartbeat.beat(WORKER)
    # A daemon, so that it never keeps the container alive.
    threading.Thread(target=beat, daemon=True, name="heartbeat").start()
    try:
        yield
    finally:
        ended.set()


@contextmanager
def _log_server() -> Iterator[None]:
    """Serve the log while the task runs, as a worker does. Without it, the task runs as well."""
    # A fork, like a worker's: it shares the memory of what is imported.
    server = multiprocessing.get_context("fork").Process(target=_serve_logs, daemon=True)
    server.start()
    try:
        yield
    finally:
        server.terminate()
        server.join()


def _serve_logs() -> None:
    from airflow.utils.serve_logs import serve_logs

    serve_logs()
