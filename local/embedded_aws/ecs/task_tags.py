"""The tags of a task: those of the request, and those that ECS copies or adds.

ministack 1.5.33 keeps only the tags of the request.
"""

from typing import Any

from embedded_aws.ecs import engine as ecs

Tag = dict[str, str]


def of_request(data: dict[str, Any], definition: dict[str, Any]) -> list[Tag]:
    """Tags of a task that RunTask starts."""
    copied = data.get("propagateTags") == "TASK_DEFINITION"
    return _together(
        data.get("tags") or [],
        ecs.stock._tags.get(definition["taskDefinitionArn"], []) if copied else [],
        _managed(data["cluster"]) if data.get("enableECSManagedTags") else [],
    )


def of_service(service: ecs.Service, definition: dict[str, Any]) -> list[Tag]:
    """Tags of a task that a service starts."""
    sources = {"SERVICE": service["serviceArn"], "TASK_DEFINITION": definition["taskDefinitionArn"]}
    source = sources.get(service.get("propagateTags", "NONE"))
    managed = [
        *_managed(service["clusterArn"]),
        {"key": "aws:ecs:serviceName", "value": service["serviceName"]},
    ]
    return _together(
        ecs.stock._tags.get(source, []),
        managed if service.get("enableECSManagedTags") else [],
    )


def _managed(cluster: str) -> list[Tag]:
    return [{"key": "aws:ecs:clusterName", "value": cluster.rpartition("/")[2]}]


def _together(*sources: list[Tag]) -> list[Tag]:
    """A tag of the first source that has it wins. CloudFormation's own tags are not copied."""
    found: dict[str, Tag] = {}
    for tag in [tag for tags in sources for tag in tags]:
        if not tag["key"].startswith("aws:cloudformation:"):
            found.setdefault(tag["key"], tag)
    return list(found.values())
