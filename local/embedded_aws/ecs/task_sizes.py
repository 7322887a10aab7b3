"""What RegisterTaskDefinition and RunTask refuse about containers, ports, volumes and sizes.

ministack 1.5.33 takes any size, two containers with one name, mounts of volumes that do not exist,
and containers that do not fit into their task. On AWS each of these fails a deployment or, with
overrides, every start of a task.
"""

import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

from embedded_aws.ecs import engine as ecs
from embedded_aws.settings import Settings

Definition = dict[str, Any]

# CPU units and the memory in MiB that Fargate offers with them.
_FARGATE: dict[int, Iterable[int]] = {
    256: (512, 1024, 2048),
    512: range(1024, 4096 + 1, 1024),
    1024: range(2048, 8192 + 1, 1024),
    2048: range(4096, 16384 + 1, 1024),
    4096: range(8192, 30720 + 1, 1024),
    8192: range(16384, 61440 + 1, 4096),
    16384: range(32768, 122880 + 1, 8192),
}
_LONGEST_STOP_TIMEOUT_SECONDS = 120


def install(settings: Settings) -> None:
    register = ecs.stock._register_task_definition

    def register_legal(data: dict[str, Any]) -> ecs.Response:
        problem = problem_of(data)
        if problem:
            return ecs.error("ClientException", problem)
        response: ecs.Response = register(data)
        return response

    ecs.stock._ACTION_MAP["RegisterTaskDefinition"] = register_legal
    ecs.stock._register_task_definition = register_legal  # CloudFormation calls this name


def problem_of(definition: Definition) -> str | None:
    """Why ECS refuses a task definition; None if it does not."""
    containers: list[dict[str, Any]] = definition.get("containerDefinitions") or []
    names = Counter(container.get("name") for container in containers)
    repeated = [name for name, count in names.items() if count > 1]
    if repeated:
        return f"Container names must be unique within a task definition: {repeated[0]}"
    if containers and not any(container.get("essential", True) for container in containers):
        return "At least one container of a task definition must be essential."
    return (
        _problem_of_ports(containers)
        or _problem_of_volumes(definition, containers)
        or _problem_of_times(containers)
        or (_problem_of_fargate(definition) if _is_fargate(definition) else None)
        or problem_of_size(definition, definition.get("cpu"), definition.get("memory"))
    )


def problem_of_size(definition: Definition, cpu: Any, memory: Any) -> str | None:
    """Why the containers do not fit into a task of that size, or Fargate has no such size."""
    units, mebibytes = _units(cpu), _mebibytes(memory)
    offered = _FARGATE.get(units or 0, ())
    if _is_fargate(definition) and mebibytes is not None and mebibytes not in offered:
        return (
            f"No Fargate configuration exists for given values: {units} CPU, {mebibytes} memory. "
            "See the Amazon ECS documentation for the valid values."
        )
    containers = definition["containerDefinitions"]
    reserved = sum(
        int(container.get("memoryReservation") or container.get("memory") or 0)
        for container in containers
    )
    if mebibytes is not None and reserved > mebibytes:
        return (
            f"The containers of the task reserve {reserved} MiB of memory, more than the task's "
            f"{mebibytes} MiB."
        )
    shares = sum(int(container.get("cpu") or 0) for container in containers)
    if units is not None and shares > units:
        return f"The containers of the task ask for {shares} CPU units of the task's {units}."
    return None


def _is_fargate(definition: Definition) -> bool:
    return "FARGATE" in (definition.get("requiresCompatibilities") or [])


def _problem_of_fargate(definition: Definition) -> str | None:
    for name in ("cpu", "memory"):
        if not definition.get(name):
            return f"Fargate requires that '{name}' be defined at the task level."
    if definition.get("networkMode") != "awsvpc":
        return "Fargate only supports network mode 'awsvpc'."
    for container in definition["containerDefinitions"]:
        added = _capabilities(container).get("add") or []
        if refused := [name for name in added if name != "SYS_PTRACE"]:
            return f"Fargate does not support adding the Linux capability {refused[0]}."
    return None


def _capabilities(container: dict[str, Any]) -> dict[str, Any]:
    parameters = container.get("linuxParameters") or {}
    return parameters.get("capabilities") or {}


def _problem_of_volumes(definition: Definition, containers: list[dict[str, Any]]) -> str | None:
    volumes = Counter(volume.get("name") for volume in definition.get("volumes") or [])
    repeated = [name for name, count in volumes.items() if count > 1]
    if repeated:
        return f"Volume names must be unique within a task definition: {repeated[0]}"
    for container in containers:
        for mount in container.get("mountPoints") or []:
            if mount.get("sourceVolume") not in volumes:
                return f"Unknown volume '{mount.get('sourceVolume')}'."
    return None


def _problem_of_ports(containers: list[dict[str, Any]]) -> str | None:
    """Containers of a task share its address, so each port can be one container's only."""
    owners: dict[tuple[int, str], str] = {}
    for container in containers:
        for mapping in container.get("portMappings") or []:
            port = int(mapping["containerPort"])
            if int(mapping.get("hostPort") or port) != port:
                return (
                    "When networkMode=awsvpc, the host ports and container ports in port mappings "
                    "must match."
                )
            owner = owners.setdefault((port, mapping.get("protocol", "tcp")), container["name"])
            if owner != container["name"]:
                return f"Containers {owner} and {container['name']} both map port {port}."
    return None


def _problem_of_times(containers: list[dict[str, Any]]) -> str | None:
    limits = {"interval": (5, 300), "timeout": (2, 60), "retries": (1, 10), "startPeriod": (0, 300)}
    for container in containers:
        check = container.get("healthCheck") or {}
        for name, (low, high) in limits.items():
            if name in check and not low <= int(check[name]) <= high:
                return f"{name} of the health check of {container['name']} is not {low} to {high}."
        if int(container.get("stopTimeout") or 0) > _LONGEST_STOP_TIMEOUT_SECONDS:
            return f"stopTimeout of {container['name']} is longer than 120 seconds."
    return None


def _units(cpu: Any) -> int | None:
    return _number(cpu, "vCPU")


def _mebibytes(memory: Any) -> int | None:
    return _number(memory, "GB")


def _number(value: Any, unit: str) -> int | None:
    """`1024`, or with the larger unit `1 vCPU` and `2 GB`."""
    if not value:
        return None
    found = re.fullmatch(rf"([\d.]+)\s*({unit})?", str(value), re.IGNORECASE)
    if found is None:
        return -1
    return int(float(found[1]) * 1024) if found[2] else int(float(found[1]))


def size_of(cpu: Any, memory: Any) -> tuple[int | None, int | None]:
    """A task's CPU units and MiB of memory."""
    return _units(cpu), _mebibytes(memory)
