"""What the agent of Fargate does with a task's execution role, before and while the task runs.

It assumes the roles, signs in to the registry and pulls the image, reads the secrets, and creates
the log stream. What the role may not do stops the task with the reason that AWS gives; without
permission to write the log its lines are lost. ministack 1.5.33 looks at no role.

An image of ECR is pulled from there. One that was pushed to the registry of the embedded AWS stands
for one in ECR, an image of the configuration file for a public one.
"""

import re
import uuid
from collections.abc import Mapping
from typing import Any

from ministack.core.responses import get_region

from embedded_aws.authorization import engine, record, sessions
from embedded_aws.authorization.requests import keys, logs
from embedded_aws.authorization.requests.pass_role import TASKS
from embedded_aws.containers.runtime import Container
from embedded_aws.ecr import task_images
from embedded_aws.ecs import engine as ecs
from embedded_aws.settings import ACCOUNT_ID, Settings, registry_images

Definition = Mapping[str, Any]

_ROLE_NAMES = ("taskRoleArn", "executionRoleArn")
# An override names a role of this account by its ARN. RegisterTaskDefinition also takes a name.
_ROLE = re.compile(rf"arn:aws[a-z-]*:iam::{ACCOUNT_ID}:role/([\w+=,.@-]+/)*[\w+=,.@-]{{1,64}}")

# The reasons begin with this; ministack puts "unable to pull secrets" before any of them.
_LOGGER = "ResourceInitializationError: failed to validate logger args: "
_PULL_ACTIONS = (
    "ecr:BatchCheckLayerAvailability",
    "ecr:GetDownloadUrlForLayer",
    "ecr:BatchGetImage",
)


def install(settings: Settings) -> None:
    prepare = ecs.stock._prepare_service_images
    fail = ecs.stock._fail_task_start
    start_forwarder = ecs.stock._start_awslogs_forwarder
    run = ecs.stock._ACTION_MAP["RunTask"]
    register = ecs.stock._register_task_definition

    def register_with_role(data: dict[str, Any]) -> ecs.Response:
        refusal = _refusal_without_role(data)
        if refusal:
            return ecs.error("ClientException", refusal)
        registered: ecs.Response = register(data)
        return registered

    def prepare_as_agent(task: ecs.Task, definition: Definition, *arguments: Any) -> Any:
        _initialize(settings, task, definition)
        return prepare(task, definition, *arguments)

    def fail_with_reason(task: ecs.Task, client: Any, reason: str) -> None:
        _before, found, rest = reason.partition(_LOGGER)
        fail(task, client, found + rest if found else reason)

    def start_if_allowed(container: Container, definition: Definition, task_id: str) -> None:
        config = ecs.stock._awslogs_config(definition, task_id, container.id)
        task = ecs.stock._tasks.get(container.task_arn)
        if config and task and not _may_write(task, config):
            return
        start_forwarder(container, definition, task_id)

    def run_if_trusted(data: dict[str, Any]) -> ecs.Response:
        for role in _overridden_roles(data):
            if not _ROLE.fullmatch(role):
                return ecs.error("ClientException", "Role is not valid")
        definition = ecs.definition_named(data.get("taskDefinition", ""))
        for role in _roles(data, definition) if definition else ():
            refusal = _refusal_of_trust(role)
            if refusal:
                return ecs.error("ClientException", refusal)
        response: ecs.Response = run(data)
        return response

    ecs.stock._prepare_service_images = prepare_as_agent
    ecs.stock._fail_task_start = fail_with_reason
    ecs.stock._start_awslogs_forwarder = start_if_allowed
    ecs.stock._ACTION_MAP["RunTask"] = run_if_trusted
    ecs.stock._register_task_definition = register_with_role
    ecs.stock._ACTION_MAP["RegisterTaskDefinition"] = register_with_role


def task_role(task: ecs.Task, definition: Definition) -> str:
    """The ARN of the role of a task's containers; empty for a task without one."""
    return _role(task, definition, "taskRoleArn")


def _role(task: ecs.Task, definition: Definition, name: str) -> str:
    return str((task.get("overrides") or {}).get(name) or definition.get(name) or "")


def _overridden_roles(data: ecs.Task) -> list[str]:
    overrides = data.get("overrides") or {}
    return [str(overrides[name]) for name in _ROLE_NAMES if overrides.get(name)]


def _roles(data: ecs.Task, definition: Definition) -> list[str]:
    return [role for name in _ROLE_NAMES if (role := _role(data, definition, name))]


def _refusal_without_role(definition: Definition) -> str:
    if definition.get("executionRoleArn"):
        return ""
    containers = definition.get("containerDefinitions") or ()
    if any(container.get("secrets") for container in containers):
        return (
            "When you are specifying container secrets, you must also specify a value for "
            "'executionRoleArn'."
        )
    if "FARGATE" in (definition.get("requiresCompatibilities") or ()) and any(
        (container.get("logConfiguration") or {}).get("logDriver") == "awslogs"
        for container in containers
    ):
        return (
            "Fargate requires task definition to have execution role ARN to support log driver "
            "awslogs."
        )
    return ""


def _refusal_of_trust(role_arn: str) -> str:
    try:
        sessions.assert_trust(role_arn, TASKS, f"arn:aws:ecs:{get_region()}:{ACCOUNT_ID}:*")
    except sessions.CannotAssumeRoleError:
        return (
            f"ECS was unable to assume the role '{role_arn}' that was provided for this task. "
            "Please verify that the role being passed has the proper trust relationship and "
            "permissions and that your IAM user has permissions to pass this role."
        )
    return ""


def _initialize(settings: Settings, task: ecs.Task, definition: Definition) -> None:
    for role in _roles(task, definition):  # a service's task does not come through RunTask
        refusal = _refusal_of_trust(role)
        if refusal:
            raise ecs.stock._SecretResolutionError(refusal)
    containers = definition["containerDefinitions"]
    pushed = registry_images(settings.registry_dir)
    images = [
        one["image"]
        for one in containers
        if one["image"] in pushed or task_images.repository_of(one["image"])
    ]
    if images:
        _require(
            task,
            definition,
            "ecr:GetAuthorizationToken",
            "*",
            "unable to retrieve ecr registry auth",
        )
    for container in containers:
        for secret in container.get("secrets") or ():
            _read_secret(task, definition, secret["valueFrom"])
    for container in containers:
        _create_log_stream(task, definition, container)
    for image in images:
        _pull(task, definition, image)


def _read_secret(task: ecs.Task, definition: Definition, value_from: str) -> None:
    if ":secretsmanager:" not in value_from:
        return
    arn = ":".join(value_from.split(":")[:7])
    _require(
        task,
        definition,
        "secretsmanager:GetSecretValue",
        arn,
        "unable to retrieve secret from asm",
        f"failed to fetch secret {arn} from secrets manager: ",
    )
    for permission in keys.permissions(keys.key_of_secret(arn), "secretsmanager", keys.DECRYPT):
        _require(
            task,
            definition,
            permission.action,
            permission.resource,
            "unable to retrieve secret from asm",
            f"failed to fetch secret {arn} from secrets manager: Access to KMS is not allowed: ",
            permission.context,
        )


def _pull(task: ecs.Task, definition: Definition, image: str) -> None:
    name = task_images.repository_of(image) or image.rpartition(":")[0]
    repository = f"arn:aws:ecr:{get_region()}:{ACCOUNT_ID}:repository/{name}"
    for action in _PULL_ACTIONS:
        decision = _decide(task, definition, action, repository)
        if not record.is_allowed(decision):
            raise ecs.stock._ImagePullError(
                "pull image manifest has been retried 1 time(s): failed to resolve ref "
                f"{image}: unexpected status from HEAD request: 403 Forbidden: {decision.message}"
            )
    if task_images.repository_of(image) and task_images.stored_image(image) is None:
        raise ecs.stock._ImagePullError(
            "pull image manifest has been retried 1 time(s): failed to resolve ref "
            f"{image}: {image}: not found"
        )


def _require(
    task: ecs.Task,
    definition: Definition,
    action: str,
    resource: str,
    what_fails: str,
    detail: str = "",
    context: Mapping[str, Any] | None = None,
) -> None:
    decision = _decide(task, definition, action, resource, context)
    if not record.is_allowed(decision):
        raise ecs.stock._SecretResolutionError(
            f"{what_fails}: service call has been retried 1 time(s): {detail}"
            f"{_service_error(decision)}"
        )


def _create_log_stream(task: ecs.Task, definition: Definition, container: Definition) -> None:
    config = ecs.stock._awslogs_config(container, _task_id(task), "")
    if not config:
        return
    region = config["region"] or get_region()
    arn = logs.stream_arn(region, ACCOUNT_ID, config["group"], config["stream"])
    actions = ["logs:CreateLogStream"]
    if config["create_group"]:
        actions.insert(0, "logs:CreateLogGroup")
    for action in actions:
        decision = _decide(task, definition, action, arn)
        if not record.is_allowed(decision):
            raise ecs.stock._SecretResolutionError(
                f"{_LOGGER}create stream has been retried 1 times: failed to create Cloudwatch "
                f"log stream: {_service_error(decision)} : exit status 1"
            )


def _may_write(task: ecs.Task, config: Mapping[str, Any]) -> bool:
    definition = ecs.definition_named(task["taskDefinitionArn"]) or {}
    region = config["region"] or get_region()
    arn = logs.stream_arn(region, ACCOUNT_ID, config["group"], config["stream"])
    return record.is_allowed(_decide(task, definition, "logs:PutLogEvents", arn))


def _decide(
    task: ecs.Task,
    definition: Definition,
    action: str,
    resource: str,
    context: Mapping[str, Any] | None = None,
) -> engine.Decision:
    role = _role(task, definition, "executionRoleArn")
    return engine.decide_for_role(role, _task_id(task), action, resource, context)


def _service_error(decision: engine.Decision) -> str:
    return f"AccessDeniedException: {decision.message} status code: 400, request id: {uuid.uuid4()}"


def _task_id(task: ecs.Task) -> str:
    return str(task["taskArn"]).rsplit("/", 1)[-1]
