"""One task that records in a file when and where each of its tries started.

The run's configuration: `runs`, the file; `seconds`, the duration of each try, where the last value
applies to all further tries.
"""

import json
import os
import time
import urllib.request
from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, get_current_context, task


def worker_id() -> str:
    """The id of the ECS task that runs this code."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"{os.environ['ECS_CONTAINER_METADATA_URI_V4']}/task", timeout=5) as answer:
        arn: str = json.load(answer)["TaskARN"]
    return arn.rsplit("/", 1)[-1]


with DAG(dag_id="fleet_probe", schedule=None, max_active_runs=200):

    @task(retries=1, retry_delay=timedelta(seconds=1))
    def probe() -> None:
        context: Any = get_current_context()
        given, attempt = context["dag_run"].conf, context["ti"].try_number
        record = {
            "run": context["run_id"],
            "try": attempt,
            "at": time.time(),
            "worker": worker_id(),
        }
        with open(given["runs"], "a") as runs:
            runs.write(json.dumps(record) + "\n")
        time.sleep(given["seconds"][min(attempt, len(given["seconds"])) - 1])

    probe()
