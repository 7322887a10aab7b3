"""A pause of the API server does not harm a running task.

UPGRADE_TEST_PAUSE_SECONDS can make it longer than the task: its end cannot be reported at first.
"""

import os
import threading
import time

from commands import smoke
from commands.airflow_image import CURRENT
from tests.upgrade.conftest import Stack

PAUSE_SECONDS = float(os.environ.get("UPGRADE_TEST_PAUSE_SECONDS", "60"))


def test_running_task_succeeds_when_the_api_server_is_down(stack: Stack) -> None:
    stack.bring_to(CURRENT)
    run_id = stack.start("minute")
    stack.wait_for_task("minute", run_id, "running", 120)

    stack.scale("api-server", 0)
    begun = time.monotonic()
    threading.Event().wait(PAUSE_SECONDS)
    stack.scale("api-server", 1)
    smoke.wait_healthy(stack.outputs)
    print(f"the API server was away for {time.monotonic() - begun:.0f} s, until it was healthy")

    stack.wait_for_task("minute", run_id, "success", 300)
    (instance,) = stack.api().task_instances("minute", run_id)
    assert instance["try_number"] == 1
