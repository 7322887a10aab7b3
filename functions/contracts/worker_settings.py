"""Environment variables that the scaler sets when it starts a worker."""

from typing import Final

# How long a worker may be idle before it exits.
IDLE_TIMEOUT_SECONDS: Final = "WORKER_IDLE_TIMEOUT_SECONDS"
# How long a worker that was started ahead of its work waits for its first task.
FIRST_TASK_SECONDS: Final = "WORKER_FIRST_TASK_SECONDS"
# The isolated queue whose connections and variables the worker reads, and whose folder of DAG files
# it runs.
SECRETS_OF_QUEUE: Final = "WORKER_SECRETS_OF_QUEUE"
# How many tasks a worker runs at once.
CONCURRENCY: Final = "AIRFLOW__CELERY__WORKER_CONCURRENCY"
