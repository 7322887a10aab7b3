"""Publish a plan of messages like Airflow: `loop_publisher.py FIRST QUEUE < plan.json`.

The plan is a list of [seconds to wait before it, seconds that the task takes]. It prints one line
for each message: `sent`, its number (starting with FIRST), and the time.
"""

import json
import sys
import time


def main() -> None:
    from airflow.providers.celery.executors.celery_executor import app

    from airflow_on_fargate.celery import wakeup

    for number, (pause, seconds) in enumerate(json.load(sys.stdin), int(sys.argv[1])):
        time.sleep(pause)
        sent = time.time()
        app.send_task("loop.work", (number, seconds), queue=sys.argv[2], ignore_result=True)
        print("sent", number, f"{sent:.3f}", flush=True)
    # A scheduler keeps running: wait for the wake-up's last call.
    time.sleep(2 * wakeup.MIN_SECONDS_BETWEEN_CALLS)


if __name__ == "__main__":
    main()
