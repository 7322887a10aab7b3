"""Executors=celery,ecs on one stack: each task runs where it says, and each failure says why."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from waiting import PATIENCE_SECONDS

from commands import deployment
from commands.steps import wait_until
from commands.workspace import ROOT
from tests.choices.conftest import DAGS, ChosenStack, chosen_stack

WORDS = "celery,ecs"
EXAMPLES = ROOT / "docs" / "examples"


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
    stack.create_secret("variables/long_may_end", "yes")

    stack.wait_for_task("long_on_ecs", run_id, "success", PATIENCE_SECONDS)
    (instance,) = stack.api().task_instances("long_on_ecs", run_id)
    assert instance["try_number"] == 1
    assert "has waited" in stack.log(instance, "has waited")


IMAGE = "public.ecr.aws/docker/library/busybox:1.37"


def register(stack: ChosenStack, name: str, script: str) -> None:
    """A task definition of a user, as docs/executors.md shows it."""
    # What the image is on this machine.
    registry = stack.workspace.state_dir / "registry"
    registry.mkdir(parents=True, exist_ok=True)
    (registry / "another.json").write_text(json.dumps({IMAGE: {"entrypoint": ["sh", "-c"]}}))
    given = json.loads(stack.outputs["OperatorTasks"])
    stack.workspace.client("ecs").register_task_definition(
        family=f"{stack.outputs['SecretsPrefix']}-task-{name}",
        requiresCompatibilities=["FARGATE"],
        networkMode="awsvpc",
        cpu="256",
        memory="512",
        executionRoleArn=given["executionRoleArn"],
        taskRoleArn=given["taskRoleArn"],
        containerDefinitions=[
            {
                "name": "main",
                "image": IMAGE,
                "entryPoint": ["sh", "-c"],
                "command": [script],
                "logConfiguration": {
                    "logDriver": "awslogs",
                    "options": {
                        "awslogs-group": given["logGroup"],
                        "awslogs-region": "us-east-1",
                        "awslogs-stream-prefix": name,
                    },
                },
            }
        ],
    )


def test_example_runs_another_image_and_shows_its_log(stack: ChosenStack) -> None:
    register(stack, "hello", 'echo "hello from another image in $RUN"')
    stack.upload("run_another_image.py", EXAMPLES / "run_another_image.py")
    run_id = stack.run("run_another_image")
    found = stack.api().task_instances("run_another_image", run_id)
    instances = {each["task_id"]: each for each in found}
    text = f"hello from another image in {run_id}"

    assert text in stack.log(instances["hello"], text)
    assert f"the last line was: {text}" in stack.log(instances["last_line"], "the last line")


@pytest.mark.parametrize(
    ("dag_id", "script", "reason"),
    [
        ("image_that_fails", "echo so it ends; exit 3", "so it ends"),
        ("image_of_the_stack", "", "AccessDenied"),
    ],
)
def test_operator_says_why_it_fails(
    stack: ChosenStack, dag_id: str, script: str, reason: str
) -> None:
    if script:
        register(stack, "fails", script)
    stack.upload("waits_for_another_image.py", DAGS / "waits_for_another_image.py")
    instance = stack.finish(dag_id)

    assert instance["state"] == "failed"
    assert reason in stack.log(instance, reason)


def test_deletion_stops_what_executor_and_operators_have_started(stack: ChosenStack) -> None:
    secrets = stack.workspace.client("secretsmanager")
    name = f"{stack.outputs['SecretsPrefix']}/variables/long_may_end"
    secrets.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)
    run_id = stack.start("long_on_ecs")
    stack.wait_for_task("long_on_ecs", run_id, "running", PATIENCE_SECONDS)
    ecs, cluster = stack.workspace.client("ecs"), stack.outputs["ClusterName"]
    (arn,) = ecs.list_tasks(cluster=cluster, startedBy="EcsExecutor")["taskArns"]
    register(stack, "runs-on", "sleep 3600")
    operators = json.loads(stack.outputs["OperatorTasks"])["cluster"]
    stack.start("image_that_runs_on")
    found: list[str] = []

    def started() -> bool:
        found[:] = ecs.list_tasks(cluster=operators)["taskArns"]
        return bool(found)

    wait_until(started, PATIENCE_SECONDS, "the operator's task", interval=1)

    deployment.delete(stack.workspace)

    assert deployment.all_stacks(stack.workspace) == []
    for name, task_arn in ((cluster, arn), (operators, found[0])):
        (task,) = ecs.describe_tasks(cluster=name, tasks=[task_arn])["tasks"]
        assert task["lastStatus"] == "STOPPED"
        assert task["stoppedReason"] == "The stack is being deleted"
