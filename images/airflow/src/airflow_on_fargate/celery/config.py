"""The Celery configuration, named by [celery] celery_config_options.

The pinned provider reads that option on both sides: the worker through its module-level app, the
scheduler when the executor creates its own and merges this dictionary over the defaults.
Importing this module also installs what the process needs: the wake-up where a scaler is named (the
scheduler), the life cycle where a Celery worker starts.
"""

import json
import os
from collections.abc import Mapping
from typing import Any, Final

from airflow.providers.celery.executors.default_celery import DEFAULT_CELERY_CONFIG
from sqlalchemy.pool import NullPool

from airflow_on_fargate import worker
from airflow_on_fargate.celery import broker, queue_counts, results, wakeup

_TRANSPORT_PREFIX: Final = "AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__"


def transport_options(environment: Mapping[str, str]) -> dict[str, Any]:
    """The broker's options that environment variables set, read without Airflow.

    Airflow 3.2 ignores a section that only a provider defines when only variables set it. Its
    scheduler would then create a queue of its own, with a visibility timeout that SQS refuses.
    """
    return {
        name.removeprefix(_TRANSPORT_PREFIX).lower(): _decoded(value)
        for name, value in environment.items()
        if name.startswith(_TRANSPORT_PREFIX)
    }


def _decoded(value: str) -> Any:
    """Numbers and objects are parsed; everything else is text."""
    try:
        return json.loads(value)
    except ValueError:
        return value


CELERY_CONFIG: dict[str, Any] = {
    **DEFAULT_CELERY_CONFIG,
    "broker_transport_options": {
        **DEFAULT_CELERY_CONFIG["broker_transport_options"],
        **broker.connection_options(os.environ),
        **transport_options(os.environ),
    },
    **broker.settings_for(os.environ),
    # Otherwise each prefork child keeps a connection: 10 workers of 16 need more than a small
    # database has.
    "database_engine_options": {
        **DEFAULT_CELERY_CONFIG["database_engine_options"],
        "poolclass": NullPool,
    },
    # `ensure-result-backend` creates the table. The executor does not need the state STARTED.
    "database_create_tables_at_setup": False,
    "task_track_started": False,
    # Children of a busy worker on a quarter of a CPU need longer than the default of 4 s to start.
    "worker_proc_alive_timeout": 60.0,
}

if result_backend := results.url_for(os.environ):
    CELERY_CONFIG["result_backend"] = result_backend
if broker.settings_for(os.environ):
    broker.hide_arguments()
if function_name := os.environ.get("WORKER_SCALER_FUNCTION_NAME"):
    wakeup.install(function_name, queue_counts.install(os.environ))
worker.install()
