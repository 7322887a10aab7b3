"""A task of a minute that never stops needing what a rotation replaces.

Once a second or so it asks the API server for a variable that stands encrypted in the database: a
token that is not trusted, a password that does not open or a key that does not decrypt ends it.
"""

import time

from airflow.sdk import DAG, Variable, task

SECONDS = 60

with DAG(dag_id="rotation_probe", schedule=None):

    @task(retries=0)
    def probe() -> int:
        """How often it asked."""
        asked, end = 0, time.monotonic() + SECONDS
        while time.monotonic() < end:
            if Variable.get("rotation_probe") != "still readable":
                raise ValueError("the variable has changed")
            asked += 1
            time.sleep(1)
        return asked

    probe()
