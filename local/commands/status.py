"""`make status`: stacks, tasks with their containers, the queue, the UI, what IAM refused."""

import json
from typing import Any

from commands import deployment, emulator
from commands.airflow_api import health
from commands.iam import refusals
from commands.stacks import own_stack
from commands.workspace import Workspace

_SHOWN_REFUSALS = 5


def status(workspace: Workspace) -> None:
    """Print what is running."""
    if not emulator.is_running(workspace):
        print(own_stack.absence(workspace))
        return
    count = len(emulator.processes(workspace))
    print(f"Embedded AWS    {workspace.endpoint}   ({count} processes, {workspace.state_dir})")
    stacks = deployment.all_stacks(workspace)
    if not stacks:
        print(f"No stack is deployed. `{workspace.make('up')}` deploys it.")
        return
    print("\nStacks")
    for stack in stacks:
        print(f"  {stack['StackName'][:60]:<60} {stack['StackStatus']}")
    print("\n".join(refusal_lines(refusals(workspace))))
    outputs = deployment.outputs(workspace)
    if "ClusterName" not in outputs:
        return
    print("\nTasks")
    print("\n".join(task_lines(_tasks(workspace, outputs["ClusterName"]))) or "  none")
    waiting, held = _messages(workspace, outputs)
    print(f"\nQueue           {waiting} waiting, {held} running")
    url = outputs["AirflowUrl"]
    ca_file = workspace.ca_file_for(url)
    print(f"Airflow         {url}")
    if ca_file:
        print(f"  certificate authority: {ca_file}")
    for component, state in sorted(health(url, ca_file).items()):
        print(f"  {component:<16} {state}")


def _messages(workspace: Workspace, outputs: dict[str, str]) -> tuple[int, int]:
    """The messages of the default queue: as SQS counts them, or the scheduler in Valkey."""
    if "WorkerQueueUrl" not in outputs:
        s3 = workspace.client("s3")
        try:
            counts = s3.get_object(Bucket=outputs["StateBucketName"], Key="fleet/queue-counts.json")
        except s3.exceptions.NoSuchKey:
            return 0, 0
        queue = json.load(counts["Body"])["queues"]["default"]
        return queue["waiting"], queue["held"]
    attributes = workspace.client("sqs").get_queue_attributes(
        QueueUrl=outputs["WorkerQueueUrl"], AttributeNames=["All"]
    )["Attributes"]
    return (
        int(attributes["ApproximateNumberOfMessages"]),
        int(attributes["ApproximateNumberOfMessagesNotVisible"]),
    )


def refusal_lines(refused: list[str]) -> list[str]:
    """What IAM refused: the newest, and how many there are."""
    if not refused:
        return ["\nIAM             nothing was refused"]
    older = len(refused) - _SHOWN_REFUSALS
    rest = [f"  and {older} before; `make iam-report` shows all"] if older > 0 else []
    newest = [f"  {sentence}" for sentence in refused[-_SHOWN_REFUSALS:]]
    return [f"\nIAM             {len(refused)} refused", *newest, *rest]


def task_lines(tasks: list[dict[str, Any]]) -> list[str]:
    """Each task with its status, and below it each of its containers with its health."""
    lines = []
    for task in sorted(tasks, key=lambda task: str(task["taskDefinitionArn"])):
        definition = task["taskDefinitionArn"].rsplit("/", 1)[-1]
        lines.append(f"  {definition:<60} {task['lastStatus']:<12} {_health(task)}".rstrip())
        for container in sorted(task["containers"], key=lambda one: str(one["name"])):
            state = f"{container['lastStatus']:<12} {_health(container)}".rstrip()
            lines.append(f"    {container['name']:<58} {state}")
    return lines


def _health(part: dict[str, Any]) -> str:
    """The health; empty for UNKNOWN, which includes containers without a health check."""
    status = str(part.get("healthStatus", ""))
    return "" if status == "UNKNOWN" else status


def _tasks(workspace: Workspace, cluster: str) -> list[dict[str, Any]]:
    ecs = workspace.client("ecs")
    arns = ecs.list_tasks(cluster=cluster)["taskArns"]
    if not arns:
        return []
    found: list[dict[str, Any]] = ecs.describe_tasks(cluster=cluster, tasks=arns)["tasks"]
    return found
