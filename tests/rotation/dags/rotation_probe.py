"""A task of a minute that needs what a rotation replaces all the time.

About once a second it requests a variable from the API server that is encrypted in the database. An
untrusted token, a wrong password or a wrong key makes it fail.
"""

import time

from airflow.sdk import DAG, Variable, task

SECONDS = 60

with DAG(dag_id="rotation_probe", schedule=None):

    @task(retries=0)
    def probe() -> int:
        """Return the number of requests."""
        asked, end = 0, time.monotonic() + SECONDS
        while time.monotonic() < end:
            if Variable.get("rotation_probe") != "still readable":
                raise ValueError("the variable has changed")
            asked += 1
            time.sleep(1)
        return asked

    probe()
