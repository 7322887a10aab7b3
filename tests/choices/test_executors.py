"""Executors=celery,ecs on one stack: each task runs where it says, and each failure says why."""

from collections.abc import Iterator
from typing import Any

import pytest
from waiting import PATIENCE_SECONDS

from commands import deployment
from commands.steps import wait_until
from tests.choices.conftest import DAGS, ChosenStack, chosen_stack

WORDS = "celery,ecs"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChosenStack]:
    with chosen_stack(tmp_path_factory.mktemp("executors"), {"Executors": WORDS}) as stack:
        stack.upload("on_each_executor.py", DAGS / "on_each_executor.py")
        yield stack


def tasks_of_the_executor(stack: ChosenStack) -> list[dict[str, Any]]:
    """What the ECS executor has started, as everybody with DescribeTasks sees it."""
    ecs, cluster = stack.workspace.client("ecs"), stack.outputs["ClusterName"]
    arns = [
        arn
        for status in ("RUNNING", "STOPPED")
        for arn in ecs.list_tasks(cluster=cluster, startedBy="EcsExecutor", desiredStatus=status)[
            "taskArns"
        ]
    ]
    return ecs.describe_tasks(cluster=cluster, tasks=arns)["tasks"] if arns else []


def workers_started(stack: ChosenStack) -> int:
    ecs, cluster = stack.workspace.client("ecs"), stack.outputs["ClusterName"]
    return sum(
        len(ecs.list_tasks(cluster=cluster, startedBy="default", desiredStatus=status)["taskArns"])
        for status in ("RUNNING", "STOPPED")
    )


def test_ecs_executor_needs_no_worker(stack: ChosenStack) -> None:
    before = workers_started(stack)
    instance = stack.finish("fails_on_ecs")
    log = stack.log(instance, "this task fails on purpose")

    assert (instance["state"], instance["executor"]) == ("failed", "ecs"), log
    assert workers_started(stack) == before


def test_each_executor_runs_its_task(stack: ChosenStack) -> None:
    run_id = stack.run("on_each_executor")
    found = stack.api().task_instances("on_each_executor", run_id)
    instances = {each["task_id"]: each for each in found}

    assert "runs with worker and the executors celery,ecs" in stack.log(
        instances["on_celery"], "runs with"
    )
    log = stack.log(instances["on_ecs"], "file ")
    role = stack.outputs["WorkerTaskRoleArn"].rsplit("/", 1)[-1]
    assert f"assumed-role/{role}/" in log
    assert "/dag_bundles/releases/versions/" in log
    assert "received from ecs" in stack.log(instances["reads"], "received")
    sizes = {(each["cpu"], each["memory"]) for each in tasks_of_the_executor(stack)}
    assert ("512", "1024") in sizes


def test_token_is_in_no_description_of_a_task(stack: ChosenStack) -> None:
    described = tasks_of_the_executor(stack)
    assert described
    for each in described:
        (container,) = each["overrides"]["containerOverrides"]
        command, address = container["command"]
        assert command == "execute-workload"
        assert address.startswith(f"s3://{stack.outputs['StateBucketName']}/workloads/")
        assert "eyJ" not in str(each["overrides"])


@pytest.mark.parametrize(
    ("dag_id", "reason"),
    [
        ("killed_on_ecs", "ended without a result"),
        ("refused_by_the_executor", "executor_config has 'startedBy', which is not taken"),
        ("without_that_size", "No Fargate configuration exists for given values"),
    ],
)
def test_failure_says_why_in_the_log_of_the_task(
    stack: ChosenStack, dag_id: str, reason: str
) -> None:
    instance = stack.finish(dag_id)

    assert instance["state"] == "failed"
    assert reason in stack.log(instance, reason)


def test_log_can_be_read_while_the_task_runs_and_another_scheduler_adopts_it(
    stack: ChosenStack,
) -> None:
    run_id = stack.start("long_on_ecs")
    stack.wait_for_task("long_on_ecs", run_id, "running", PATIENCE_SECONDS)
    (instance,) = stack.api().task_instances("long_on_ecs", run_id)
    assert "has waited" not in stack.log(instance, "begins")

    # As a deployment does, while a task of the former revision runs.
    stack.scale("control-plane", 0)
    stack.scale("control-plane", 1)

    stack.wait_for_task("long_on_ecs", run_id, "success", PATIENCE_SECONDS)
    (instance,) = stack.api().task_instances("long_on_ecs", run_id)
    assert instance["try_number"] == 1
    assert "has waited" in stack.log(instance, "has waited")


def test_deletion_stops_what_the_executor_has_started(stack: ChosenStack) -> None:
    run_id = stack.start("long_on_ecs")
    stack.wait_for_task("long_on_ecs", run_id, "running", PATIENCE_SECONDS)
    ecs, cluster = stack.workspace.client("ecs"), stack.outputs["ClusterName"]
    (arn,) = ecs.list_tasks(cluster=cluster, startedBy="EcsExecutor")["taskArns"]
    reasons: list[str] = []

    def stopped() -> bool:
        (task,) = ecs.describe_tasks(cluster=cluster, tasks=[arn])["tasks"]
        reasons.append(task.get("stoppedReason", ""))
        return bool(task["desiredStatus"] == "STOPPED")

    deployment.delete(stack.workspace)

    assert deployment.all_stacks(stack.workspace) == []
    wait_until(stopped, PATIENCE_SECONDS, "the end of the executor's task", interval=1)
    assert reasons[-1] == "The stack is being deleted"
