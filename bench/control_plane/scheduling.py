"""What is measured of one scheduler when a number of DAGs is due at the same moment.

Executor and broker are Celery and SQS. Workers are a stand-in, which takes a message and writes
what a worker and the api-server would: the task's state, and Celery's. It has no limits, so that
the scheduler is what is measured.
"""

import base64
import json
import threading
import time
from types import TracebackType
from typing import Any

from airflow_on_fargate.celery.results import VIEW
from bench.container import Container
from bench.control_plane.deployment import Deployment
from bench.control_plane.records import TASKS_IN_A_RUN, Limits, SchedulerRecord, note_load

_WORKERS = 2
_INSERT = f"INSERT INTO {VIEW} VALUES (%s, 'SUCCESS') ON CONFLICT DO NOTHING"  # noqa: S608


class Workers:
    """Takes messages as long as it is entered."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._work) for _ in range(_WORKERS)]

    def __enter__(self) -> "Workers":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        sqs, queue = self._deployment.sqs, self._deployment.queue_url
        metadata = self._deployment.connect()
        results = self._deployment.connect(results=True)
        while not self._ended.is_set():
            answer = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=1)
            if messages := answer.get("Messages"):
                self._finish([_task_of(each["Body"]) for each in messages], metadata, results)
                entries = [
                    {"Id": str(number), "ReceiptHandle": each["ReceiptHandle"]}
                    for number, each in enumerate(messages)
                ]
                sqs.delete_message_batch(QueueUrl=queue, Entries=entries)
        metadata.close()
        results.close()

    def _finish(self, tasks: list[tuple[str, str]], metadata: Any, results: Any) -> None:
        with metadata.cursor() as cursor:
            cursor.execute(
                "UPDATE task_instance SET state = 'success', start_date = now(), end_date = now(),"
                " duration = 0, hostname = 'bench', pid = 1 WHERE id = ANY(%s::uuid[])",
                ([instance for instance, _ in tasks],),
            )
        with results.cursor() as cursor:
            for _, task in tasks:
                cursor.execute(_INSERT, (task,))


def _task_of(body: str) -> tuple[str, str]:
    """The ids of the task instance and of Celery's task in a message."""
    message = json.loads(base64.b64decode(body))
    arguments = json.loads(base64.b64decode(message["body"]))[0]
    return json.loads(arguments[0])["ti"]["id"], message["headers"]["id"]


def fill(deployment: Deployment, files: int, limits: Limits) -> None:
    """Have all DAGs in the database, with a dag-processor that is not limited to a part of a CPU.

    Raises:
        RuntimeError: they are not there in time.
    """
    container = Container("fill", 4096, 8192)
    folder = deployment.folder
    try:
        container.start(
            deployment.command("dag-processor"), deployment.environment, folder, folder / "log"
        )
        if container.wait(lambda: deployment.visible() == files, limits.patience_seconds) is None:
            raise RuntimeError(f"Only {deployment.visible()} of {files} DAGs are there in time")
    finally:
        container.remove()


def measure_scheduler(deployment: Deployment, files: int, limits: Limits) -> SchedulerRecord:
    """Start with every DAG due, until each has a successful run; then nothing is due."""
    container = Container(f"{deployment.system}-scheduler", limits.cpu_units, limits.mebibytes)
    record = SchedulerRecord(deployment.system, files, limits.cpu_units, container.is_limited)

    def runs(*states: str) -> int:
        query = "SELECT count(*) FROM dag_run WHERE state = ANY(%s)"
        return int(deployment.query(query, (list(states),))[0][0])

    deployment.query("UPDATE dag SET is_paused = false")
    folder = deployment.folder
    try:
        with Workers(deployment):
            note_load(record.load)
            container.start(
                deployment.command("scheduler"), deployment.environment, folder, folder / "log"
            )
            every = ("queued", "running", "success", "failed")
            record.first_run = container.wait(lambda: runs(*every) > 0, limits.patience_seconds)
            started, before = time.monotonic(), container.cpu_seconds()
            if container.wait(lambda: runs(*every) >= files, limits.patience_seconds) is not None:
                record.all_created = time.monotonic() - started
            if container.wait(lambda: runs("success") >= files, limits.patience_seconds):
                record.all_succeeded = time.monotonic() - started
            record.succeeded = runs("success")
            used = container.cpu_seconds() - before
            record.cpu_per_task = used / max(1, TASKS_IN_A_RUN * record.succeeded)
            container.sleep(limits.settle_seconds)
            used = container.sleep(limits.idle_seconds)
            note_load(record.load)
            record.idle_cpu = used / limits.idle_seconds / (limits.cpu_units / 1024)
    finally:
        container.remove()
    record.peak_mebibytes = round(container.peak_mebibytes)
    return record
