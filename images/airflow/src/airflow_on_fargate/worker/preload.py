"""Load what every task needs once, before Celery forks its pool.

A task runs in a process of its own, forked from a process of the pool. What is loaded before the
forks is shared; anything else is loaded again by every task. Airflow preloads operators only.
"""

import importlib
import logging
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
    """Load the modules; a task loads what is missing here."""
    for name in MODULES:
        try:
            importlib.import_module(name)
        except Exception as error:
            log.warning("%s is not loaded before the pool starts: %s", name, error)
