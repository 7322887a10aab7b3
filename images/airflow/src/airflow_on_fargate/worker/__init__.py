"""The life cycle of a worker: it is never stopped while busy, it leaves by itself.

    running --(idle long enough, told to drain, or SIGTERM)--> closing --> leaving
       ^                                                          |
       +----------(idle only: a message came after all)-----------+

*running*: the worker asks SQS for messages and runs tasks.
*closing*: it asks for nothing more, but a long poll may still be out, and what that poll returns is
still ours: leaving before it returns would hide a message until its visibility timeout (12 hours).
*leaving*: nothing runs and no poll is out; the process ends with exit code 0.

Why a worker closes decides how it goes on:

- idle (WORKER_IDLE_TIMEOUT_SECONDS without a task): a message that the last poll brings reopens it.
- drain (WORKER_DRAIN_OBJECT names another task definition than this task's): the consumer is
  cancelled too, so that kombu gives back at once what the last poll brings; running tasks finish,
  however long.
- SIGTERM (Spot, StopTask; ECS kills after 120 s): as drain, but at the deadline the task runners
  get SIGTERM and then SIGKILL. Their supervisors live on and report the state, so the scheduler
  retries at once instead of after the heartbeat timeout.

`lifecycle` decides (pure), `bootstep` observes and carries out inside Celery, `drain_watch` reads
the drain object; `patches` corrects what would end or hang a worker.
"""

import sys
import traceback
from typing import Any


def install() -> None:
    """Attach the life cycle to the Celery worker that starts in this process, if one does."""
    from celery.signals import celeryd_init

    celeryd_init.connect(_attach, weak=False)


def _attach(instance: Any = None, **_: Any) -> None:
    """Attach the life cycle, then apply the patches; end the process when either fails.

    Celery logs an exception from here and goes on. The worker would run tasks, but would never
    retire or drain, and a deployment would wait for it without end.
    """
    from airflow_on_fargate import patches
    from airflow_on_fargate.worker import bootstep

    try:
        bootstep.attach(instance.app)
        patches.apply_for("worker")
    except patches.PatchError as error:
        sys.exit(f"The worker cannot start. {error}")
    except Exception as error:
        traceback.print_exc()
        sys.exit(f"The worker cannot start: its life cycle could not be attached ({error})")
