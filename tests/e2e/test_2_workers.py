"""A second queue: its tasks run on workers of its own fleet, and the other fleet starts none."""

import itertools
from typing import Any

from waiting import PATIENCE_SECONDS

from commands.steps import wait_until
from tests.e2e.conftest import Deployed

DAG = """
from airflow.sdk import dag, task

@dag(schedule=None)
def second_queue():
    @task(queue="heavy")
    def nothing(number):
        pass
    nothing.expand(number=[1, 2, 3])

second_queue()
"""
SLOTS = "AIRFLOW__CELERY__WORKER_CONCURRENCY"


def test_tasks_of_a_second_queue_only_run_on_its_fleet(deployed: Deployed):
    aws, outputs = deployed.workspace.client, deployed.outputs
    before = {task["taskArn"] for task in workers(deployed)}
    aws("s3").put_object(
        Bucket=outputs["DagBucketName"], Key="dags/second_queue.py", Body=DAG.encode()
    )
    api = deployed.api()
    wait_until(lambda: "second_queue" in api.dags(), PATIENCE_SECONDS, "the DAG")

    run = api.trigger("second_queue")
    wait_until(
        lambda: api.run("second_queue", run)["state"] in ("success", "failed"), 90, "the run's end"
    )

    instances = api.task_instances("second_queue", run)
    assert [(each["state"], each["queue"]) for each in instances] == [("success", "heavy")] * 3
    # One slot and one worker: one after another, although other workers have four slots.
    spans = sorted((each["start_date"], each["end_date"]) for each in instances)
    assert all(end <= start for (_, end), (start, _) in itertools.pairwise(spans))
    assert len({each["hostname"] for each in instances}) == 1
    new = [task for task in workers(deployed) if task["taskArn"] not in before]
    assert [task["startedBy"] for task in new] == ["heavy"]
    (container,) = new[0]["overrides"]["containerOverrides"]
    assert container["command"] == ["celery", "worker", "--queues", "heavy"]
    assert {"name": SLOTS, "value": "1"} in container["environment"]


def workers(deployed: Deployed) -> list[dict[str, Any]]:
    """The tasks of all workers that ECS still lists, including stopped ones."""
    ecs, cluster = deployed.workspace.client("ecs"), deployed.outputs["ClusterName"]
    arns = [
        arn
        for status in ("RUNNING", "STOPPED")
        for arn in ecs.list_tasks(cluster=cluster, desiredStatus=status)["taskArns"]
    ]
    tasks = ecs.describe_tasks(cluster=cluster, tasks=arns)["tasks"] if arns else []
    return [task for task in tasks if "-worker:" in task["taskDefinitionArn"]]
