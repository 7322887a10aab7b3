"""A deferrable sensor: the wait happens in the triggerer and holds no place on a worker."""

from datetime import timedelta

from airflow.providers.standard.sensors.time_delta import WaitSensor
from airflow.sdk import dag, task

WAIT = timedelta(seconds=5)


@dag(schedule=None, tags=["smoke", "example"])
def smoke_deferrable():
    """
    ### A deferrable sensor Waits a few seconds in the triggerer, then continues on a worker. With
    an idle fleet the worker may leave meanwhile: the continuation wakes a new one.
    """

    @task
    def say_done() -> None:
        print(f"Waited for {WAIT.total_seconds():.0f} s without holding a worker")

    WaitSensor(task_id="wait", time_to_wait=WAIT, deferrable=True) >> say_done()


smoke_deferrable()
