"""The code of a worker of the stranding loop: the shipped Celery configuration and one plain task.

It is on PYTHONPATH beside the in-image package, so that `airflow celery worker` runs unchanged.
"""

import os
import time
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
    time.sleep(seconds)
