"""`clean-database BEFORE`: delete older rows from the metadata database and the result backend.

Airflow's own `db clean` knows only the metadata database. Celery's results are in another database;
Celery's beat process would delete them, but it does not run here.
"""

import argparse
import os
from datetime import datetime
from typing import Any, Final

from airflow_on_fargate.database import turn
from airflow_on_fargate.schema import alembic_heads

# Rows in one transaction: few enough that no worker waits to report a result.
BATCH: Final = 5000


def main(*arguments: str) -> int:
    """Exit code 0 when both are clean. A failure of the first does not prevent the second."""
    from sqlalchemy.engine import make_url

    from airflow_on_fargate.celery.results import DATABASE
    from airflow_on_fargate.database.roles import connected

    parser = argparse.ArgumentParser(prog="clean-database", description="Delete old history.")
    parser.add_argument("before", type=_moment, help="such as 2026-01-31T00:00:00+00:00")
    before: datetime = parser.parse_args(arguments).before
    url = os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"]
    # As Airflow's own user: the workers' user cannot delete.
    results = make_url(url).set(database=DATABASE)
    with turn.taken(url):
        if problem := alembic_heads.mismatch(url):
            print(f"The schema is not the one that this image needs: {problem}", flush=True)
            return 1
        code = turn.airflow(_db_clean(before))
        with connected(results) as connection:
            deleted = clean_results(connection, before)
    print(f"Deleted {deleted} Celery results from before {before.isoformat()}.")
    if code:
        print(f"'airflow db clean' ended with exit code {code}.")
    return 1 if code else 0


def clean_results(connection: Any, before: datetime, batch: int = BATCH) -> int:
    """Delete Celery's older results; returns their number."""
    statement = (
        "DELETE FROM task_results WHERE task_id IN (SELECT task_id FROM task_results"
        " WHERE date_done < %s ORDER BY date_done LIMIT %s)"
    )
    deleted = 0
    while True:
        count = int(connection.exec_driver_sql(statement, (before, batch)).rowcount)
        deleted += count
        if count < batch:
            return deleted


def _db_clean(before: datetime) -> list[str]:
    return [
        "db",
        "clean",
        "--clean-before-timestamp",
        before.isoformat(),
        "--yes",
        # Otherwise it exits with 0 even after errors.
        "--error-on-cleanup-failure",
        # Rows in archive tables would take the same space.
        "--skip-archive",
    ]


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("the time has no time zone")
    return moment
