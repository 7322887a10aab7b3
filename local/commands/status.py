"""`make status`: stacks, services, workers and the UI, at a glance."""

from commands import deployment, emulator
from commands.airflow_api import health
from commands.workspace import Workspace


def status(workspace: Workspace) -> None:
    """Print what runs."""
    if not emulator.is_running(workspace):
        print("Nothing runs. `make up` starts everything.")
        return
    print(
        f"Embedded AWS    {workspace.endpoint}   ({len(emulator.processes(workspace))} processes)"
    )
    stacks = deployment.all_stacks(workspace)
    if not stacks:
        print("No stack is deployed. `make up` deploys it.")
        return
    print("\nStacks")
    for stack in stacks:
        print(f"  {stack['StackName'][:60]:<60} {stack['StackStatus']}")
    outputs = deployment.outputs(workspace)
    if "ClusterName" not in outputs:
        return
    _print_tasks(workspace, outputs["ClusterName"])
    attributes = workspace.client("sqs").get_queue_attributes(
        QueueUrl=outputs["WorkerQueueUrl"], AttributeNames=["All"]
    )["Attributes"]
    print(
        f"\nQueue           {attributes['ApproximateNumberOfMessages']} waiting, "
        f"{attributes['ApproximateNumberOfMessagesNotVisible']} running"
    )
    print(f"Airflow         {outputs['AirflowUrl']}")
    for component, state in sorted(health(outputs["AirflowUrl"]).items()):
        print(f"  {component:<16} {state}")


def _print_tasks(workspace: Workspace, cluster: str) -> None:
    ecs = workspace.client("ecs")
    arns = ecs.list_tasks(cluster=cluster)["taskArns"]
    print("\nTasks")
    if not arns:
        print("  none")
        return
    for task in ecs.describe_tasks(cluster=cluster, tasks=arns)["tasks"]:
        definition = task["taskDefinitionArn"].rsplit("/", 1)[-1]
        print(f"  {definition:<60} {task['lastStatus']:<12} {task.get('healthStatus', '')}")
