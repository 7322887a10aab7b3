"""The life cycle of a worker: it is never stopped while busy, it exits by itself.

    running --(idle timeout, order to drain, or SIGTERM)--> closing --> leaving
       ^                                                       |
       +----------(idle only: a message arrived)---------------+

*running*: the worker asks the broker for messages and runs tasks.
*closing*: it starts no more polls, but a poll may still be open. If the worker exited before the
poll of SQS returns, its message would be hidden until the visibility timeout (12 hours); a message
that Valkey has handed out already would be lost.
*leaving*: no task runs and no poll is open; the process ends with exit code 0.

The reason for closing decides what follows:

- idle (WORKER_IDLE_TIMEOUT_SECONDS without a task): a message from the last poll makes it run
  again.
- drain (the drain object names another task definition, or this task): the consumer is cancelled
  too, so that kombu returns a message from the last poll to the queue; running tasks finish without
  a time limit.
- SIGTERM (Spot, StopTask; ECS kills after 120 s): like drain, but at the deadline the task runners
  get SIGTERM and then SIGKILL. Their supervisors stay alive and report the state, so the scheduler
  retries immediately instead of after the heartbeat timeout.

`lifecycle` decides (pure), `bootstep` observes and acts inside Celery, `polls` knows the broker's
requests, `drain_watch` reads the drain object; `preload` loads what every task needs; `patches`
corrects what would end or hang a worker, and leaves out what it does not need.
"""

import sys
import traceback
from typing import Any


def install() -> None:
    """Attach the life cycle to the Celery worker that starts in this process, if one does."""
    from celery.signals import celeryd_init

    from airflow_on_fargate.worker import preload

    celeryd_init.connect(_attach, weak=False)
    preload.install()


def _attach(instance: Any = None, conf: Any = None, options: Any = None, **_: Any) -> None:
    """Attach the life cycle, then apply the patches; end the process when either fails.

    Celery logs an exception from here and continues. The worker would run tasks, but would never
    retire or drain, and a deployment would wait for it without end.
    """
    from airflow_on_fargate import patches
    from airflow_on_fargate.celery import broker
    from airflow_on_fargate.worker import bootstep

    try:
        if conf is not None:
            broker.hold_apart(conf, (options or {}).get("queues") or ())
        bootstep.attach(instance.app)
        patches.apply_for("worker")
    except patches.PatchError as error:
        sys.exit(f"The worker cannot start. {error}")
    except Exception as error:
        traceback.print_exc()
        sys.exit(f"The worker cannot start: its life cycle could not be attached ({error})")
