"""How threads of the scheduler tell the scaler something: an object in S3, and an empty event."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit


def calls(url: str, function_name: str) -> tuple[Callable[[bytes], None], Callable[[], None]]:
    """Write the object `s3://bucket/key`; invoke the scaler, which then reads it."""
    import boto3
    from botocore.config import Config

    config = Config(connect_timeout=3, read_timeout=10, retries={"total_max_attempts": 2})
    s3, functions = boto3.client("s3", config=config), boto3.client("lambda", config=config)
    place = urlsplit(url)

    def put(body: bytes) -> None:
        s3.put_object(
            Bucket=place.netloc,
            Key=place.path.lstrip("/"),
            Body=body,
            ContentType="application/json",
        )

    def notify() -> None:
        functions.invoke(FunctionName=function_name, InvocationType="Event", Payload=b"{}")

    return put, notify


def with_each_heartbeat(act: Callable[[int], None]) -> None:
    """Call `act` with the id of this process's scheduler job whenever it gives a heartbeat."""
    from airflow.jobs.job import Job
    from sqlalchemy import event

    def on_heartbeat(_mapper: Any, _connection: Any, job: Job) -> None:
        if job.job_type == "SchedulerJob":
            act(job.id)

    event.listen(Job, "after_update", on_heartbeat)
