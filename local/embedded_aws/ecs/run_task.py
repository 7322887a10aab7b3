"""RunTask: what it refuses, its clientToken, the default group, tags, and overridden sizes.

ministack 1.5.33 lacks all of them: it shows the task definition's CPU and memory, creates a missing
cluster silently, and runs a task whose override names an unknown container.
"""

import json
import re
from typing import Any

from embedded_aws.ecs import engine as ecs
from embedded_aws.ecs import task_sizes, task_tags
from embedded_aws.settings import Settings

_MAX_COUNT = 10
# ECS: RunTask and TaskOverride; the limit counts the JSON of the overrides.
_MAX_OVERRIDES = 8192
_STARTED_BY = re.compile(r"[A-Za-z0-9_/.-]{0,128}")
_MAX_TOKEN_LENGTH = 64
# ECS: EphemeralStorage, on Fargate.
_STORAGE_GIB = range(21, 201)

# By client token: the request and the response.
_answered: dict[str, tuple[str, ecs.Response]] = {}


def install(settings: Settings) -> None:
    run = ecs.stock._run_task

    def run_task(data: dict[str, Any]) -> ecs.Response:
        refusal = _refusal(data)
        if refusal:
            return refusal
        token = data.get("clientToken")
        asked = json.dumps(data, sort_keys=True)
        if token in _answered:
            before, answered = _answered[token]
            if before != asked:
                return ecs.error(
                    "ConflictException", "The client token was used with other parameters."
                )
            return answered
        # Without a service the group is that of the family, and event rules filter on it.
        definition = ecs.stock._task_defs[ecs.stock._resolve_td_key(data["taskDefinition"])]
        tags = task_tags.of_request(data, definition)
        group = f"family:{definition['family']}"
        response: ecs.Response = run({"group": group, **data, "tags": tags})
        response = _with_size(response, data.get("overrides", {}))
        if token and response[0] < 400:
            _answered[token] = (asked, response)
        return response

    ecs.stock._ACTION_MAP["RunTask"] = run_task


def _with_size(response: ecs.Response, overrides: dict[str, Any]) -> ecs.Response:
    """Apply the overrides of the whole task, to this response and to DescribeTasks."""
    size = {name: overrides[name] for name in ("cpu", "memory") if name in overrides}
    status, headers, body = response
    if not size or status >= 400:
        return response
    answer = json.loads(body)
    for task in answer["tasks"]:
        task.update(size)
        ecs.stock._tasks[task["taskArn"]].update(size)
    return status, headers, json.dumps(answer).encode()


def _refusal(data: dict[str, Any]) -> ecs.Response | None:
    cluster = ecs.stock._resolve_cluster_name(data.get("cluster", "default"))
    if cluster is None or cluster not in ecs.stock._clusters:
        return ecs.error("ClusterNotFoundException", "Cluster not found.")
    if not 1 <= data.get("count", 1) <= _MAX_COUNT:
        return _invalid(f"Count must be from 1 to {_MAX_COUNT}.")
    if len(data.get("clientToken") or "") > _MAX_TOKEN_LENGTH:
        return _invalid(f"Client token must be at most {_MAX_TOKEN_LENGTH} characters long.")
    if not _STARTED_BY.fullmatch(data.get("startedBy") or ""):
        return _invalid(f"startedBy must match {_STARTED_BY.pattern}.")
    size = len(json.dumps(data.get("overrides") or {}, separators=(",", ":")))
    if size > _MAX_OVERRIDES:
        return _invalid(f"Container Overrides length must be at most {_MAX_OVERRIDES}")
    definition = ecs.stock._task_defs.get(ecs.stock._resolve_td_key(data.get("taskDefinition")))
    if definition is None:
        return ecs.error("ClientException", "TaskDefinition not found.")
    if definition["status"] != "ACTIVE":
        return ecs.error("ClientException", "TaskDefinition is inactive")
    if definition["networkMode"] == "awsvpc" and not data.get("networkConfiguration"):
        return _invalid(
            "Network Configuration must be provided when networkMode 'awsvpc' is specified."
        )
    if data.get("launchType") and data.get("capacityProviderStrategy"):
        return _invalid(
            "Specifying both a launch type and capacity provider strategy is not supported. Remove "
            "one and try again."
        )
    storage = (data.get("overrides") or {}).get("ephemeralStorage")
    if storage is not None and storage.get("sizeInGiB") not in _STORAGE_GIB:
        return _invalid(
            f"Ephemeral storage size must be from {_STORAGE_GIB.start} to {_STORAGE_GIB.stop - 1} "
            "GiB."
        )
    names = {container["name"] for container in definition["containerDefinitions"]}
    for override in data.get("overrides", {}).get("containerOverrides", []):
        if override.get("name") not in names:
            return _invalid(
                f"Override for container named {override.get('name')} is not a container in the "
                "TaskDefinition."
            )
    overrides = data.get("overrides", {})
    problem = task_sizes.problem_of_size(
        definition,
        overrides.get("cpu") or definition.get("cpu"),
        overrides.get("memory") or definition.get("memory"),
    )
    return ecs.error("ClientException", problem) if problem else None


def _invalid(message: str) -> ecs.Response:
    return ecs.error("InvalidParameterException", message)
