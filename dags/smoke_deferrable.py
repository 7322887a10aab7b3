"""A deferrable sensor: the wait runs in the triggerer and uses no slot of a worker."""

from datetime import timedelta

from airflow.providers.standard.sensors.time_delta import WaitSensor
from airflow.sdk import dag, task

WAIT = timedelta(seconds=5)


@dag(schedule=None, tags=["smoke", "example"])
def smoke_deferrable():
    """
    ### A deferrable sensor
    Waits a few seconds in the triggerer, then continues on a worker. The worker may exit in the
    meantime; another one then starts for the rest.
    """

    @task
    def say_done() -> None:
        print(f"Waited for {WAIT.total_seconds():.0f} s without using a worker")

    WaitSensor(task_id="wait", time_to_wait=WAIT, deferrable=True) >> say_done()


smoke_deferrable()
