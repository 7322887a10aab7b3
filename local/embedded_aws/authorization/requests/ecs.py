"""ECS: the resource of each action, `ecs:cluster`, and the tags of RunTask.

As the service authorization reference has them: RunTask is decided on the task definition,
StopTask and DescribeTasks on each task, service actions on the service. Lists have no resource, but
the cluster in `ecs:cluster`. A RunTask that gives or propagates tags also needs `ecs:TagResource`,
with `ecs:CreateAction`. ministack 1.5.33 decides all of them on the cluster, and knows neither key.
"""

from collections.abc import Mapping
from typing import Any

from embedded_aws.authorization.requests import pass_role
from embedded_aws.authorization.requests.request import ApiRequest, Permission
from embedded_aws.ecs import engine as ecs

_ON_SERVICES = ("CreateService", "DeleteService", "DescribeServices", "UpdateService")
_ON_TASKS = ("DescribeTasks", "ExecuteCommand", "StopTask")
# Each of them gives tags to the new task.
_TAGGING = ("tags", "propagateTags", "enableECSManagedTags")
_ON_NOTHING = ("ListServices", "ListClusters", "ListTaskDefinitions", "DescribeTaskDefinition")


def needs(request: ApiRequest) -> list[Permission] | None:
    operation = request.operation
    if operation == "RunTask":
        return _run_task(request)
    if operation == "RegisterTaskDefinition":
        family = request.body.get("family", "*")
        own = Permission(request.action, request.arn("ecs", f"task-definition/{family}:*"))
        return [own, *pass_role.to_tasks(request.body)]
    if operation in ("TagResource", "UntagResource", "ListTagsForResource"):
        return [Permission(request.action, request.body.get("resourceArn", "*"))]
    if operation in _ON_TASKS:
        names = request.body.get("tasks") or [request.body.get("task", "")]
        return _on_each(request, "task", names)
    if operation in _ON_SERVICES:
        names = request.body.get("services") or [
            request.body.get("service") or request.body.get("serviceName", "")
        ]
        return [*_on_each(request, "service", names), *_roles_of_deployment(request)]
    if operation == "ListTasks":
        cluster = _cluster_name(request)
        resource = request.arn("ecs", f"container-instance/{cluster}/*")
        return [Permission(request.action, resource, _in_cluster(request))]
    if operation in _ON_NOTHING:
        return [Permission(request.action, "*", _in_cluster(request))]
    return None


def _run_task(request: ApiRequest) -> list[Permission]:
    definition = ecs.definition_named(request.body.get("taskDefinition", ""))
    resource = (definition or {}).get("taskDefinitionArn") or request.arn(
        "ecs", f"task-definition/{request.body.get('taskDefinition', '')}"
    )
    found = [Permission(request.action, resource, _in_cluster(request))]
    if any(request.body.get(name) for name in _TAGGING):
        task = request.arn("ecs", f"task/{_cluster_name(request)}/*")
        tagging = {"ecs:CreateAction": "RunTask", **_in_cluster(request)}
        found.append(Permission("ecs:TagResource", task, tagging))
    roles = {**(definition or {}), **_given(request.body.get("overrides") or {})}
    return [*found, *pass_role.to_tasks(roles)]


def _roles_of_deployment(request: ApiRequest) -> list[Permission]:
    """A service's new task definition passes its roles; another count or a restart passes none."""
    if "taskDefinition" not in request.body:
        return []
    return pass_role.to_tasks(ecs.definition_named(request.body["taskDefinition"]) or {})


def _on_each(request: ApiRequest, kind: str, names: list[str]) -> list[Permission]:
    cluster = _cluster_name(request)
    context = _in_cluster(request)
    return [
        Permission(
            request.action,
            name if name.startswith("arn:") else request.arn("ecs", f"{kind}/{cluster}/{name}"),
            context,
        )
        for name in names
    ]


def _cluster_name(request: ApiRequest) -> str:
    return str(request.body.get("cluster") or "default").rsplit("/", 1)[-1]


def _in_cluster(request: ApiRequest) -> dict[str, Any]:
    return {"ecs:cluster": request.arn("ecs", f"cluster/{_cluster_name(request)}")}


def _given(overrides: Mapping[str, Any]) -> dict[str, Any]:
    roles = ("taskRoleArn", "executionRoleArn")
    return {name: overrides[name] for name in roles if overrides.get(name)}
