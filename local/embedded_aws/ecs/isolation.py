"""What a task definition and RunTask's overrides say about limits, rights and files.

Only the runtime that has real containers applies them; see `containers.interface.Isolation`.
"""

from typing import Any

from embedded_aws.containers.interface import Isolation, Limits, Mount, Ulimit
from embedded_aws.ecs.task_sizes import size_of

Definition = dict[str, Any]


def isolation_of(
    container: Definition, task_definition: Definition, overrides: Definition
) -> Isolation:
    """One container's isolation, with the overrides of the task that it belongs to."""
    linux: Definition = container.get("linuxParameters") or {}
    capabilities: Definition = linux.get("capabilities") or {}
    return Isolation(
        limits=_limits(container, task_definition, overrides),
        read_only_root=bool(container.get("readonlyRootFilesystem")),
        user=str(container.get("user") or ""),
        working_directory=str(container.get("workingDirectory") or ""),
        added_capabilities=tuple(capabilities.get("add") or ()),
        dropped_capabilities=tuple(capabilities.get("drop") or ()),
        ulimits=tuple(
            Ulimit(one["name"], int(one["softLimit"]), int(one["hardLimit"]))
            for one in container.get("ulimits") or ()
        ),
        init_process=bool(linux.get("initProcessEnabled")),
        mounts=tuple(
            Mount(one["sourceVolume"], one["containerPath"], bool(one.get("readOnly")))
            for one in container.get("mountPoints") or ()
        ),
    )


def _limits(container: Definition, task_definition: Definition, overrides: Definition) -> Limits:
    own: Definition = next(
        (
            one
            for one in overrides.get("containerOverrides") or ()
            if one.get("name") == container["name"]
        ),
        {},
    )
    cpu, memory = size_of(
        overrides.get("cpu") or task_definition.get("cpu"),
        overrides.get("memory") or task_definition.get("memory"),
    )
    return Limits(
        task_cpu=cpu,
        task_memory=memory,
        cpu=_number(own.get("cpu") or container.get("cpu")),
        memory=_number(own.get("memory") or container.get("memory")),
        memory_reservation=_number(
            own.get("memoryReservation") or container.get("memoryReservation")
        ),
    )


def _number(value: Any) -> int | None:
    return int(value) if value else None
