"""The resources of ECS actions, `ecs:cluster`, and the roles that a request passes."""

from collections.abc import Iterator
from typing import Any

import pytest

from ..conftest import EmbeddedAws
from ..ecs_tasks import NETWORK, Ecs
from ..roles import Caller, create_role, refused

ARN = f"arn:aws:ecs:us-east-1:{'0' * 12}:"
TASKS = "ecs-tasks.amazonaws.com"


@pytest.fixture
def caller(embedded_aws: EmbeddedAws) -> Caller:
    return Caller(embedded_aws)


@pytest.fixture
def other_cluster(embedded_aws: EmbeddedAws) -> Iterator[str]:
    ecs = Ecs(embedded_aws)
    yield ecs.name
    ecs.close()


def in_cluster(cluster: str) -> dict[str, Any]:
    return {"ArnEquals": {"ecs:cluster": f"{ARN}cluster/{cluster}"}}


def passing(*roles: str, service: str = TASKS) -> dict[str, Any]:
    return {
        "Action": "iam:PassRole",
        "Resource": list(roles),
        "Condition": {"StringEquals": {"iam:PassedToService": service}},
    }


def running(ecs: Ecs, cluster: str = "") -> dict[str, Any]:
    return {
        "Action": "ecs:RunTask",
        "Resource": f"{ARN}task-definition/{ecs.name}:*",
        "Condition": in_cluster(cluster or ecs.name),
    }


def run(caller: Caller, ecs: Ecs, definition: str, **more: Any) -> None:
    caller.client("ecs").run_task(
        cluster=ecs.name,
        taskDefinition=definition,
        launchType="FARGATE",
        networkConfiguration=NETWORK,
        **more,
    )


def test_run_task_is_allowed_by_task_definition_cluster_and_roles(ecs: Ecs, caller: Caller) -> None:
    role = create_role(ecs.aws, TASKS)
    definition = ecs.register("true", role=role)
    caller.may(running(ecs), passing(role, ecs.execution_role))

    run(caller, ecs, definition)
    run(caller, ecs, ecs.name)  # the family means its newest revision


def test_run_task_is_refused_for_another_task_definition(ecs: Ecs, caller: Caller) -> None:
    definition = ecs.register("true")
    allowed = {**running(ecs), "Resource": f"{ARN}task-definition/other:*"}
    caller.may(allowed, passing(ecs.execution_role))

    with refused("ecs:RunTask", definition):
        run(caller, ecs, definition)


def test_run_task_is_refused_in_another_cluster(
    ecs: Ecs, caller: Caller, other_cluster: str
) -> None:
    definition = ecs.register("true")
    caller.may(running(ecs, other_cluster), passing(ecs.execution_role))

    with refused("ecs:RunTask", definition):
        run(caller, ecs, definition)


@pytest.mark.parametrize("missing", ["task role", "execution role", "service"])
def test_run_task_needs_to_pass_both_roles_to_tasks(ecs: Ecs, caller: Caller, missing: str) -> None:
    role = create_role(ecs.aws, TASKS)
    definition = ecs.register("true", role=role)
    passed = {
        "task role": passing(ecs.execution_role),
        "execution role": passing(role),
        "service": passing(role, ecs.execution_role, service="lambda.amazonaws.com"),
    }[missing]
    caller.may(running(ecs), passed)

    with refused("iam:PassRole", ecs.execution_role if missing == "execution role" else role):
        run(caller, ecs, definition)


def test_overridden_task_role_is_passed_instead(ecs: Ecs, caller: Caller) -> None:
    role, other = create_role(ecs.aws, TASKS), create_role(ecs.aws, TASKS)
    definition = ecs.register("true", role=role)
    caller.may(running(ecs), passing(role, ecs.execution_role))
    overrides = {"taskRoleArn": other}

    with refused("iam:PassRole", other):
        run(caller, ecs, definition, overrides=overrides)
    caller.may(running(ecs), passing(other, ecs.execution_role))
    run(caller, ecs, definition, overrides=overrides)


@pytest.mark.parametrize(
    "tags",
    [
        {"tags": [{"key": "reason", "value": "test"}]},
        {"propagateTags": "TASK_DEFINITION"},
        {"enableECSManagedTags": True},
    ],
)
def test_tags_of_run_task_need_tag_resource(ecs: Ecs, caller: Caller, tags: dict[str, Any]) -> None:
    definition = ecs.register("true")
    allowed = running(ecs), passing(ecs.execution_role)
    caller.may(*allowed)

    with refused("ecs:TagResource", f"{ARN}task/{ecs.name}/"):
        run(caller, ecs, definition, **tags)
    tagging = {
        "Action": "ecs:TagResource",
        "Resource": f"{ARN}task/{ecs.name}/*",
        "Condition": {"StringEquals": {"ecs:CreateAction": "RunTask"}},
    }
    caller.may(*allowed, tagging)
    run(caller, ecs, definition, **tags)


@pytest.mark.parametrize("action", ["DescribeTasks", "StopTask"])
def test_tasks_are_decided_on_one_by_one(
    ecs: Ecs, caller: Caller, other_cluster: str, action: str
) -> None:
    task = ecs.run(ecs.register("sleep 60"))

    def call() -> None:
        client = caller.client("ecs")
        if action == "StopTask":
            client.stop_task(cluster=ecs.name, task=task)
        else:
            client.describe_tasks(cluster=ecs.name, tasks=[task.rsplit("/", 1)[-1]])

    for resource, cluster in (
        (f"{ARN}task/{other_cluster}/*", ecs.name),
        (f"{ARN}cluster/{ecs.name}", ecs.name),
        (f"{ARN}task/{ecs.name}/*", other_cluster),
    ):
        caller.may(
            {"Action": f"ecs:{action}", "Resource": resource, "Condition": in_cluster(cluster)}
        )
        with refused(f"ecs:{action}", task):
            call()
    caller.may(
        {
            "Action": f"ecs:{action}",
            "Resource": f"{ARN}task/{ecs.name}/*",
            "Condition": in_cluster(ecs.name),
        }
    )
    call()


@pytest.mark.parametrize("operation", ["list_tasks", "list_services"])
def test_lists_are_decided_on_by_their_cluster(
    ecs: Ecs, caller: Caller, other_cluster: str, operation: str
) -> None:
    action = "ecs:ListTasks" if operation == "list_tasks" else "ecs:ListServices"
    caller.may({"Action": action, "Condition": in_cluster(ecs.name)})

    getattr(caller.client("ecs"), operation)(cluster=ecs.name)
    with refused(action):
        getattr(caller.client("ecs"), operation)(cluster=other_cluster)


def test_service_is_scaled_and_restarted_without_passing_a_role(ecs: Ecs, caller: Caller) -> None:
    definition = ecs.register("sleep 60")
    ecs.create_service("one", definition, count=0)
    service = f"{ARN}service/{ecs.name}/one"
    caller.may({"Action": ["ecs:UpdateService", "ecs:DescribeServices"], "Resource": service})
    client = caller.client("ecs")

    client.update_service(cluster=ecs.name, service="one", desiredCount=0)
    client.update_service(cluster=ecs.name, service="one", forceNewDeployment=True)
    client.describe_services(cluster=ecs.name, services=["one"])
    with refused("ecs:DescribeServices", f"{ARN}service/{ecs.name}/two"):
        client.describe_services(cluster=ecs.name, services=["one", "two"])


def test_new_task_definition_of_a_service_passes_its_roles(ecs: Ecs, caller: Caller) -> None:
    definition = ecs.register("sleep 60")
    ecs.create_service("one", definition, count=0)
    updating = {"Action": "ecs:UpdateService", "Resource": f"{ARN}service/{ecs.name}/one"}
    caller.may(updating)

    def update() -> None:
        caller.client("ecs").update_service(
            cluster=ecs.name, service="one", taskDefinition=definition
        )

    with refused("iam:PassRole", ecs.execution_role):
        update()
    caller.may(updating, passing(ecs.execution_role))
    update()


def test_task_definition_passes_its_roles(ecs: Ecs, caller: Caller) -> None:
    request = {
        "family": ecs.name,
        "executionRoleArn": ecs.execution_role,
        "containerDefinitions": [{"name": "main", "image": "local/sh:1"}],
    }
    caller.may({"Action": "ecs:RegisterTaskDefinition"})

    with refused("iam:PassRole", ecs.execution_role):
        caller.client("ecs").register_task_definition(**request)
    caller.may({"Action": "ecs:RegisterTaskDefinition"}, passing(ecs.execution_role))
    caller.client("ecs").register_task_definition(**request)


def test_role_that_does_not_trust_ecs_starts_no_task(ecs: Ecs) -> None:
    other_account = {"StringEquals": {"aws:SourceAccount": "111111111111"}}
    role = create_role(ecs.aws, TASKS, condition=other_account)
    definition = ecs.register("true", role=role)

    with pytest.raises(ecs.api.exceptions.ClientException, match="unable to assume the role"):
        ecs.run(definition)


def test_role_may_trust_ecs_for_this_account_only(ecs: Ecs) -> None:
    account = {"StringEquals": {"aws:SourceAccount": "0" * 12}}
    role = create_role(ecs.aws, TASKS, condition=account)

    ecs.run(ecs.register("true", role=role))


@pytest.mark.parametrize("name", ["taskRoleArn", "executionRoleArn"])
@pytest.mark.parametrize(
    "role",
    [
        "a-name",
        "arn:aws:iam::000000000000:user/somebody",
        "arn:aws:iam::000000000000:role/",
        "arn:aws:iam::000000000000:role/with a space",
        "arn:aws:iam::111111111111:role/of-another-account",
        "arn:aws:sts::000000000000:assumed-role/session/name",
    ],
)
def test_override_that_is_no_role_of_the_account_is_refused(ecs: Ecs, name: str, role: str) -> None:
    definition = ecs.register("true")

    with pytest.raises(ecs.api.exceptions.ClientException, match="Role is not valid"):
        ecs.run(definition, overrides={name: role})


@pytest.mark.parametrize("service", ["lambda.amazonaws.com", "nobody"])
def test_overriding_role_has_to_trust_ecs_and_to_exist(ecs: Ecs, service: str) -> None:
    own = create_role(ecs.aws, TASKS)
    definition = ecs.register("true", role=own)
    other = f"arn:aws:iam::{'0' * 12}:role/is-not-there"
    if service != "nobody":
        other = create_role(ecs.aws, service)

    with pytest.raises(ecs.api.exceptions.ClientException, match="unable to assume the role"):
        ecs.run(definition, overrides={"taskRoleArn": other})


def test_overriding_role_is_described_and_the_definitions_is_not_assumed(ecs: Ecs) -> None:
    """The role of the definition may be deleted: no one assumes it."""
    own, other = create_role(ecs.aws, TASKS), create_role(ecs.aws, TASKS)
    definition = ecs.register("sleep 60", role=own)
    ecs.aws.client("iam").delete_role(RoleName=own.rpartition("/")[2])

    task = ecs.run(definition, overrides={"taskRoleArn": other})

    assert ecs.reached(task, "RUNNING")["overrides"]["taskRoleArn"] == other
    described = ecs.api.describe_task_definition(taskDefinition=definition)["taskDefinition"]
    assert described["taskRoleArn"] == own
    with pytest.raises(ecs.api.exceptions.ClientException, match="unable to assume the role"):
        ecs.run(definition)


def test_overriding_role_does_not_read_the_secrets_that_ecs_injects(ecs: Ecs) -> None:
    """The agent reads them with the execution role, which the override leaves as it is."""
    name = f"{ecs.name}-injected"
    secret = ecs.aws.client("secretsmanager").create_secret(Name=name, SecretString="hidden")["ARN"]
    other = create_role(ecs.aws, TASKS)
    definition = ecs.register(
        'test "$SECRET" = hidden && echo injected',
        secrets=[{"name": "SECRET", "valueFrom": secret}],
    )

    task = ecs.finished(definition, overrides={"taskRoleArn": other})

    assert ecs.output(task) == ["injected"]
