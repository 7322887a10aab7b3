"""The Celery configuration, named by [celery] celery_config_options.

The pinned provider reads that option on both sides: the worker through its module-level app, the
scheduler when the executor makes its own and merges this dictionary over the defaults.
Importing this module also connects what belongs to the process: the wake-up where a scaler is named
(the scheduler), the life cycle where a Celery worker starts.
"""

import os
from typing import Any

from airflow.providers.celery.executors.default_celery import DEFAULT_CELERY_CONFIG
from sqlalchemy.pool import NullPool

from airflow_on_fargate import wakeup, worker

CELERY_CONFIG: dict[str, Any] = {
    **DEFAULT_CELERY_CONFIG,
    # Each prefork child would hold a connection for ever: 10 workers of 16 are more than a small
    # database has.
    "database_engine_options": {
        **DEFAULT_CELERY_CONFIG["database_engine_options"],
        "poolclass": NullPool,
    },
    # Children of a busy worker on a quarter of a CPU need longer than the default of 4 s to start.
    "worker_proc_alive_timeout": 60.0,
}

if function_name := os.environ.get("WORKER_SCALER_FUNCTION_NAME"):
    wakeup.install(function_name)
worker.install()
