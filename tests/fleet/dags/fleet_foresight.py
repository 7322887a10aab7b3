"""Three concurrent tasks every three minutes: with two slots per worker they need two workers."""

import time
from datetime import UTC, datetime

from airflow.sdk import DAG, task

with DAG(
    dag_id="fleet_foresight",
    schedule="*/3 * * * *",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
):

    @task
    def load(number: int) -> None:
        time.sleep(2)

    load.expand(number=[1, 2, 3])
