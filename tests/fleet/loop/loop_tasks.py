"""The code of a worker of the stranding loop: the shipped Celery configuration and one plain task.

It is on PYTHONPATH beside the in-image package, so that `airflow celery worker` runs unchanged.
"""

import json
import os
import time
from pathlib import Path
from typing import Any

from celery import shared_task
from celery.signals import celeryd_init

from airflow_on_fargate import worker
from airflow_on_fargate.celery.config import CELERY_CONFIG as SHIPPED

CELERY_CONFIG: dict[str, Any] = {**SHIPPED, "imports": ["loop_tasks"]}

if "LOOP_WITHOUT_LIFE_CYCLE" in os.environ:
    from airflow_on_fargate import patches

    celeryd_init.disconnect(worker._attach)
    patches.apply("worker.failed_polls")
    patches.apply("worker.request_limits")


@shared_task(name="loop.work", ignore_result=True)
def work(number: int, seconds: float) -> None:
    """Write one line for each run: one short write, which another process's write cannot split."""
    line = f"{number} {time.time():.3f} {os.getpid()}\n".encode()
    file = os.open(os.environ["LOOP_RUNS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.write(file, line)
    os.close(file)
    if names := os.environ.get("LOOP_LOOKS_UP"):
        found = json.dumps(looked_up(json.loads(names)))
        Path(os.environ["LOOP_RUNS"]).with_suffix(".found").write_text(found)
    time.sleep(seconds)


def looked_up(names: list[str]) -> dict[str, str | None]:
    """What a task reads: connections by Airflow's backend for workers, other names directly."""
    from airflow.sdk.configuration import ensure_secrets_loaded
    from airflow.sdk.execution_time.secrets import DEFAULT_SECRETS_SEARCH_PATH_WORKERS
    from botocore.exceptions import ClientError

    backend = ensure_secrets_loaded(DEFAULT_SECRETS_SEARCH_PATH_WORKERS)[0]
    found: dict[str, str | None] = {}
    for name in names:
        try:
            if "/" in name:
                found[name] = backend.client.get_secret_value(SecretId=name)["SecretString"]
            else:
                found[name] = backend.get_conn_value(name)
        except ClientError as error:
            found[name] = error.response["Error"]["Code"]
    return found
