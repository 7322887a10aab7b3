"""The small part of ministack's ECS that the task and service modules use."""

import json
from typing import Any

from ministack.services import ecs as ministack_ecs

# ministack's module, whose private names the task and service modules use and replace.
stock: Any = ministack_ecs

Task = dict[str, Any]
Service = dict[str, Any]
Response = tuple[int, dict[str, str], bytes]


def error(code: str, message: str) -> Response:
    response: Response = stock.error_response_json(code, message, 400)
    return response


def answer_of(response: Response, action: str) -> dict[str, Any]:
    """The body of a response; an error becomes a ValueError that names the action."""
    status, _, body = response
    content: dict[str, Any] = json.loads(body)
    if status >= 400:
        raise ValueError(f"{action}: {content.get('message', content)}")
    return content


def service_key_of(task: Task) -> str | None:
    """The key of the service a task belongs to, `<cluster>/<service>`; None for other tasks."""
    kind, _, name = task.get("group", "").partition(":")
    return f"{cluster_name_of(task)}/{name}" if kind == "service" else None


def cluster_name_of(task: Task) -> str:
    return str(task["clusterArn"].rsplit("/", 1)[-1])


def tasks_of_service(service: Service) -> list[Task]:
    return [
        task
        for task in list(stock._tasks.values())
        if task.get("group") == f"service:{service['serviceName']}"
        and task["clusterArn"] == service["clusterArn"]
    ]


def address_of(task: Task) -> str | None:
    address: str | None = stock._task_ip(task)
    return address


def is_running(task: Task) -> bool:
    return bool(task["lastStatus"] == "RUNNING" and task["desiredStatus"] == "RUNNING")


def is_container_healthy(task: Task) -> bool:
    """Whether the task's health checks say so; a task without any is healthy when it runs."""
    return is_running(task) and (not checked_containers(task) or task["healthStatus"] == "HEALTHY")


def checked_containers(task: Task) -> set[str]:
    """The containers whose health is the task's: essential ones that have a health check."""
    return {
        container["name"]
        for container in _definition(task)["containerDefinitions"]
        if container.get("healthCheck") and container.get("essential", True)
    }


def definition_named(reference: str) -> dict[str, Any] | None:
    """A task definition by family, family and revision, or ARN; None if there is none."""
    found: dict[str, Any] | None = stock._task_defs.get(stock._resolve_td_key(reference))
    return found


def _definition(task: Task) -> dict[str, Any]:
    definition: dict[str, Any] = stock._task_defs[stock._resolve_td_key(task["taskDefinitionArn"])]
    return definition
