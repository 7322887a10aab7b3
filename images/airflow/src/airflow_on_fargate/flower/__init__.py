"""Flower, Celery's monitor, behind the load balancer at /flower.

It shows workers, queues and tasks, with events that come through Valkey. Users sign in with a name
and a generated password. It is read-only: its buttons would change the size of a worker or end it
behind the scaler's back. The arguments of tasks, which hold tokens, do not reach it
(`celery.broker.hide_arguments`).

Run as `python -m airflow_on_fargate.flower celery flower`.
"""

import os
import sys
from collections.abc import Mapping
from typing import Final

from airflow_on_fargate import patches

USER: Final = "admin"
PASSWORD: Final = "FLOWER_PASSWORD"  # noqa: S105 - the name of the variable


class FlowerError(Exception):
    """Flower must not start."""


def settings_for(environment: Mapping[str, str]) -> dict[str, str]:
    """Flower's settings. Flower without a password would be open to everybody."""
    password = environment.get(PASSWORD, "")
    if not password:
        raise FlowerError(f"{PASSWORD} is not set")
    return {
        # Not Airflow's option, whose value is read while its command line is imported.
        "FLOWER_BASIC_AUTH": f"{USER}:{password}",
        "FLOWER_READ_ONLY": "true",
        # The address of a user is in the header that the load balancer adds.
        "FLOWER_XHEADERS": "true",
        # Its default of 100,000 tasks needs more memory than the task has.
        "FLOWER_MAX_TASKS": "10000",
    }


def main() -> None:
    """Apply settings and patches, then run `airflow celery flower`."""
    try:
        os.environ.update(settings_for(os.environ))
        patches.apply_for("flower")
    except (FlowerError, patches.PatchError) as error:
        sys.exit(f"Flower cannot start. {error}")
    from airflow.__main__ import main as airflow

    airflow()
