"""What a task needs of its execution role before it starts, and while it writes its log."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ..conftest import REGION, EmbeddedAws
from ..ecs_tasks import Ecs
from ..roles import create_role, put_policy

TASKS = "ecs-tasks.amazonaws.com"
IMAGE = "pushed/sh:1"


@pytest.fixture
def pushed(embedded_aws: EmbeddedAws) -> str:
    """An image that was pushed to the registry, which stands for ECR."""
    registry = embedded_aws.state_dir / "registry"
    registry.mkdir(exist_ok=True)
    (registry / "sh.json").write_text(json.dumps({IMAGE: {"entrypoint": ["/bin/sh", "-c"]}}))
    return IMAGE


def needed(ecs: Ecs, secret: str) -> dict[str, dict[str, Any]]:
    """The statements of an execution role, as the templates have them."""
    group = f"arn:aws:logs:{REGION}:{'0' * 12}:log-group:{ecs.name}:*"
    repository = f"arn:aws:ecr:{REGION}:{'0' * 12}:repository/pushed/sh"
    pull = "ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"
    return {
        "sign in": {"Action": "ecr:GetAuthorizationToken"},
        **{action: {"Action": action, "Resource": repository} for action in pull},
        "stream": {"Action": "logs:CreateLogStream", "Resource": group},
        "lines": {"Action": "logs:PutLogEvents", "Resource": group},
        "secret": {"Action": "secretsmanager:GetSecretValue", "Resource": secret},
    }


def finished(ecs: Ecs, image: str, without: str = "") -> dict[str, Any]:
    secrets = ecs.aws.client("secretsmanager")
    secret = secrets.create_secret(Name=f"{ecs.name}/word", SecretString="word")["ARN"]
    role = create_role(ecs.aws, TASKS)
    statements = needed(ecs, secret)
    put_policy(ecs.aws, role, *(one for name, one in statements.items() if name != without))
    definition = ecs.register(
        "echo $WORD",
        image,
        execution_role=role,
        secrets=[{"name": "WORD", "valueFrom": secret}],
    )
    return ecs.finished(definition)


def test_task_runs_with_exactly_what_it_needs(ecs: Ecs, pushed: str) -> None:
    task = finished(ecs, pushed)

    assert task["stopCode"] == "EssentialContainerExited", task["stoppedReason"]
    assert ecs.output(task) == ["word"]


@pytest.mark.parametrize(
    ("without", "reason"),
    [
        (
            "sign in",
            "ResourceInitializationError: unable to pull secrets or registry auth: execution "
            "resource retrieval failed: unable to retrieve ecr registry auth: service call has "
            "been retried 1 time(s): AccessDeniedException: User: ",
        ),
        (
            "secret",
            "ResourceInitializationError: unable to pull secrets or registry auth: execution "
            "resource retrieval failed: unable to retrieve secret from asm: service call has been "
            "retried 1 time(s): failed to fetch secret ",
        ),
        (
            "stream",
            "ResourceInitializationError: failed to validate logger args: create stream has been "
            "retried 1 times: failed to create Cloudwatch log stream: AccessDeniedException: User",
        ),
        ("ecr:BatchGetImage", "CannotPullContainerError: pull image manifest"),
        ("ecr:BatchCheckLayerAvailability", "CannotPullContainerError: pull image manifest"),
        ("ecr:GetDownloadUrlForLayer", "CannotPullContainerError: pull image manifest"),
    ],
)
def test_task_does_not_start_without_a_permission_of_its_execution_role(
    ecs: Ecs, pushed: str, without: str, reason: str
) -> None:
    task = finished(ecs, pushed, without)

    assert task["stopCode"] == "TaskFailedToStart"
    assert task["stoppedReason"].startswith(reason)
    assert "because no identity-based policy allows" in task["stoppedReason"]


def test_lines_are_lost_without_permission_to_write_them(ecs: Ecs, pushed: str) -> None:
    task = finished(ecs, pushed, "lines")

    assert task["stopCode"] == "EssentialContainerExited", task["stoppedReason"]
    with pytest.raises(ClientError):
        ecs.output(task)


def test_public_image_needs_no_permission_for_the_registry(ecs: Ecs) -> None:
    assert finished(ecs, "local/sh:1", "sign in")["stopCode"] == "EssentialContainerExited"


@pytest.mark.parametrize(
    ("container", "message"),
    [
        ({"secrets": [{"name": "WORD", "valueFrom": "arn:x"}]}, "container secrets"),
        (
            {
                "logConfiguration": {
                    "logDriver": "awslogs",
                    "options": {"awslogs-group": "x", "awslogs-region": REGION},
                }
            },
            "Fargate requires task definition to have execution role ARN",
        ),
    ],
)
def test_task_definition_needs_an_execution_role_for_secrets_and_logs(
    ecs: Ecs, container: dict[str, Any], message: str
) -> None:
    with pytest.raises(ecs.api.exceptions.ClientException, match=message):
        ecs.api.register_task_definition(
            family=ecs.name,
            requiresCompatibilities=["FARGATE"],
            networkMode="awsvpc",
            cpu="256",
            memory="512",
            containerDefinitions=[{"name": "main", "image": "local/sh:1", **container}],
        )


def test_service_reports_why_its_tasks_do_not_start(ecs: Ecs) -> None:
    role = create_role(ecs.aws, TASKS, Action="logs:PutLogEvents")
    ecs.create_service("one", ecs.register("sleep 60", execution_role=role))

    stopped = ecs.first_stopped("one")

    assert "logs:CreateLogStream" in stopped["stoppedReason"]
