"""One task that runs for a while, so that a worker is busy."""

import time

from airflow.sdk import dag, task


@dag(schedule=None, params={"seconds": 40})
def long_task():
    @task
    def take(params: dict):
        time.sleep(params["seconds"])
        print("ended by itself")

    take()


long_task()
