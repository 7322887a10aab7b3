"""Load what every task needs once, before Celery forks its pool.

A task runs in a process of its own, forked from a process of the pool. What is loaded before the
forks is shared; anything else is loaded again by every task. Airflow preloads operators only.

The client of S3 that uploads logs is made here too: it is 13 MiB in every process of the pool. It
has no connection yet that processes would share.
"""

import importlib
import logging
from collections.abc import Callable
from functools import partial
from typing import Any, Final

log = logging.getLogger(__name__)

# What the process of a task was seen to import before the code of its DAG file.
MODULES: Final = (
    "airflow.dag_processing.dagbag",
    "airflow.providers.amazon.aws.log.s3_task_handler",
    "airflow.sdk.definitions.asset.metadata",
    "airflow.sdk.definitions.retry_policy",
    "airflow.sdk.execution_time.supervisor",
    "airflow_on_fargate.releases.bundle",
    "boto3.s3.inject",
)


def install() -> None:
    """Load them when a Celery worker starts in this process, if one does."""
    from celery.signals import import_modules

    import_modules.connect(load, weak=False)


def load(**_: Any) -> None:
    """Load the modules and make the client; a task does what is missing here."""
    for name in MODULES:
        _try(partial(importlib.import_module, name), name)
    _try(_make_client_of_logs, "the client of the log bucket")


def _make_client_of_logs() -> None:
    from airflow.sdk.log import load_remote_log_handler

    handler: Any = load_remote_log_handler()
    if hasattr(handler, "hook"):
        handler.hook.get_conn()


def _try(act: Callable[[], object], what: str) -> None:
    try:
        act()
    except Exception as error:
        log.warning("Before the pool starts, %s is not loaded: %s", what, error)
