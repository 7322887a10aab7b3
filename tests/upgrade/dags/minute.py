"""A task of one minute, which runs while everything around it is replaced."""

from datetime import timedelta

from airflow.sdk import DAG, task

with DAG("minute", schedule=None, catchup=False):

    @task(retries=0, execution_timeout=timedelta(minutes=15))
    def sixty_seconds() -> str:
        import time

        begun = time.monotonic()
        while time.monotonic() - begun < 60:
            time.sleep(1)
        return "ended"

    sixty_seconds()
