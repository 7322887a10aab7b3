"""What each component can reach, worked out from the resolved templates.

SECURITY.md has these two tables between markers; `python -m tests.attacks` writes them.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from dry_deployment import DryStack, deploy

SECRETS = {
    "FernetKeySecret": "Fernet key",
    "JwtSecret": "key of tokens",
    "ApiSecretKeySecret": "key of log requests",
    "SessionKeySecret": "key of sessions",
    "AdminPasswordSecret": "first user's password",
}
DATABASE_URL, RESULTS_URL = "AirflowUrlSecret", "ResultBackendSecret"
MASTER_PASSWORD = "DatabasePasswordSecret"
BUCKETS = {"DagBucket": "DAG bucket", "LogBucket": "log bucket", "StateBucket": "state bucket"}
_OBJECT_ACTIONS = {
    "s3:GetObject": "reads",
    "s3:GetObjectVersion": "reads versions of",
    "s3:PutObject": "writes",
    "s3:DeleteObject": "deletes",
}
_QUEUE_ACTIONS = {"sqs:SendMessage": "sends", "sqs:ReceiveMessage": "receives"}
_BUCKET = re.compile(r":s3:::<[^>]*/(\w+)>/(.*)")
_SECRET = re.compile(r"<[^>]*/(\w+)>")
NO = ""


@dataclass(frozen=True)
class Component:
    """What runs with one role, and which containers it is."""

    name: str
    environment_class: str
    role: str  # NestedStack/LogicalId
    containers: tuple[str, ...] = ()
    definition: str = ""  # the nested stack of the task definition, if it is not that of the role
    has_own_secrets: bool = True


COMPONENTS = (
    Component("api-server", "small", "ApiServerStack/TaskRole", ("api-server",)),
    Component("scheduler", "small", "SchedulerStack/TaskRole", ("scheduler",)),
    Component("dag-processor", "small", "DagProcessorStack/TaskRole", ("dag-processor",)),
    Component("triggerer", "small", "TriggererStack/TaskRole", ("triggerer",)),
    # Three containers, each with the secrets of its component, and one role.
    Component(
        "scheduler, dag-processor and triggerer of class `micro`",
        "micro",
        "ControlPlaneStack/TaskRole",
        has_own_secrets=False,
    ),
    Component("worker", "small", "WorkerStack/TaskRole", ("worker",)),
    Component("command", "small", "CommandStack/TaskRole", ("command",)),
    Component(
        "command that rotates secrets or makes database users",
        "small",
        "CommandsStack/RotationTaskRole",
        ("command",),
        "CommandStack",
    ),
    Component("function `preflight`", "small", "PreflightStack/PreflightRole"),
    Component("function `run_airflow_command`", "small", "CommandsStack/RunAirflowCommandRole"),
    Component("function `scale_workers`", "small", "FleetStack/ScaleWorkersRole"),
    Component("function `publish_dags`", "small", "DeliveryStack/PublishDagsRole"),
    Component("function `build_image`", "small", "ImageStack/BuildImageRole"),
)


@cache
def deployed(environment_class: str) -> DryStack:
    return deploy(EnvironmentClass=environment_class)


def injected(component: Component) -> set[str]:
    """The secrets in the environment of its containers."""
    if not component.containers:
        return set()
    nested = component.definition or component.role.split("/")[0]
    task = deployed(component.environment_class).child(nested).properties("TaskDefinition")
    return {
        _SECRET.fullmatch(secret["ValueFrom"])[1]  # type: ignore[index]
        for container in task["ContainerDefinitions"]
        if container["Name"] in component.containers
        for secret in container["Secrets"]
    }


def permissions(component: Component, effect: str = "Allow") -> Iterator[tuple[str, str]]:
    """Action and resource of each permission of the role, or of what it is denied."""
    nested, role = component.role.split("/")
    for policy in deployed(component.environment_class).child(nested).properties(role)["Policies"]:
        for statement in policy["PolicyDocument"]["Statement"]:
            if statement["Effect"] != effect:
                continue
            for action in _listed(statement["Action"]):
                for resource in _listed(statement["Resource"]):
                    yield action, resource


def _listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def of_role(component: Component) -> dict[str, set[str]]:
    """Secret → what the role may do with its value."""
    found: dict[str, set[str]] = {}
    words = {"secretsmanager:GetSecretValue": "reads", "secretsmanager:PutSecretValue": "writes"}
    for action, resource in permissions(component):
        secret = _SECRET.fullmatch(resource)
        if secret and action in words:
            found.setdefault(secret[1], set()).add(words[action])
    return found


def secret_cells(component: Component) -> list[str]:
    """Users of the databases, then the keys."""
    held, role = injected(component), of_role(component)
    metadata = [
        "`airflow_app`" if DATABASE_URL in held else NO,
        "the master user" if MASTER_PASSWORD in role else NO,
    ]
    # The same user reads the states that workers append.
    results = [
        "reads" if DATABASE_URL in held else NO,
        "appends" if RESULTS_URL in held else NO,
    ]
    cells = [_and(metadata), _and(results)]
    for name in SECRETS:
        # Environment, and what the role may do besides.
        cells.append(_and(["yes" if name in held else NO, *sorted(role.get(name, ()))]))
    return cells


def resource_cells(component: Component) -> list[str]:
    """Buckets, queues of workers, and the secrets that users of Airflow keep."""
    buckets: dict[str, dict[str, list[str]]] = {name: {} for name in BUCKETS}
    queues: set[str] = set()
    prefixes: set[str] = set()
    for action, resource in permissions(component):
        place = _BUCKET.search(resource)
        if place and action in _OBJECT_ACTIONS:
            keys = buckets[place[1]].setdefault(_OBJECT_ACTIONS[action], [])
            keys.append(f"`{place[2]}`")
        if action in _QUEUE_ACTIONS and re.search(r":airflow-queue-|WorkerQueue", resource):
            queues.add(_QUEUE_ACTIONS[action])
        if action == "secretsmanager:GetSecretValue" and resource.endswith(":secret:airflow/*"):
            prefixes.add("`STACK/*`")
    for action, resource in permissions(component, "Deny"):
        if action == "secretsmanager:GetSecretValue" and resource.endswith("airflow/queues/*"):
            prefixes.add("not `STACK/queues/*`")
    cells = [
        "; ".join(f"{verb} {', '.join(keys)}" for verb, keys in verbs.items())
        for verbs in buckets.values()
    ]
    return [*cells, _and(sorted(queues)), _and(sorted(prefixes))]


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def _and(parts: list[str]) -> str:
    return ", ".join(part for part in parts if part)


def tables() -> dict[str, str]:
    """Marker → table."""
    secrets = ["", "Metadata database as", "Results", *map(_capital, SECRETS.values())]
    resources = ["", *map(_capital, BUCKETS.values()), "Queues of tasks", "In Secrets Manager"]
    return {
        "secrets": _table(
            secrets,
            [[each.name, *secret_cells(each)] for each in COMPONENTS if each.has_own_secrets],
        ),
        "resources": _table(resources, [[each.name, *resource_cells(each)] for each in COMPONENTS]),
    }


def _table(heads: list[str], rows: list[list[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(cell or " " for cell in line) + " |" for line in lines)
