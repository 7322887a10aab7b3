"""Services and their tasks."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from doctor.model import Finding, fail, ok, warn
from doctor.ports import Pause, ServiceState, TaskState

# A schema change stops the services for minutes.
_LONGEST_PAUSE = timedelta(hours=1)

_EVENTS = "aws ecs describe-services: its events name the cause"


def services(found: Sequence[ServiceState]) -> Iterator[Finding]:
    if not found:
        yield fail(
            "The cluster has no services", "Deploy the stack again: its services were deleted"
        )
        return
    for service in found:
        yield from _service(service)


def _service(service: ServiceState) -> Iterator[Finding]:
    counts = f"{service.name}: {service.running} of {service.desired} tasks run"
    if service.rollout == "FAILED":
        yield fail(
            f"{service.name}: the last deployment failed. {service.rollout_reason}".rstrip(),
            "The log of its container says why it does not start; then deploy again",
        )
    elif service.desired == 0:
        yield fail(
            f"{service.name} is set to 0 tasks",
            "Deploy again, or: aws ecs update-service --desired-count 1",
        )
    elif service.running >= service.desired:
        yield ok(counts)
    elif service.rollout == "IN_PROGRESS":
        yield warn(f"{counts}, during a deployment", "Look again in some minutes")
    else:
        yield fail(counts, _EVENTS)


def paused(found: Pause | None, now: datetime) -> Iterator[Finding]:
    """A note about a schema change that has not given the counts back."""
    if found is None:
        return
    what = f"{found.services} services are stopped for a schema change"
    since = f"since {found.since:%Y-%m-%d %H:%M} UTC"
    if now - found.since > _LONGEST_PAUSE:
        yield fail(
            f"{what} {since}",
            "Its command ended without giving the counts back: deploy again (docs/upgrades.md)",
        )
    else:
        yield warn(f"{what} {since}", "Look again in some minutes")


def health(tasks: Sequence[TaskState]) -> Iterator[Finding]:
    sick = [task for task in tasks if task.health == "UNHEALTHY"]
    for task in sick:
        yield fail(
            f"A task of {task.family} is unhealthy: its heartbeat, its answer or the database is "
            "missing",
            "The log of its container; ECS replaces a service's task by itself",
        )
    if not sick:
        healthy = sum(task.health == "HEALTHY" for task in tasks)
        yield ok(f"No task is unhealthy, {healthy} are healthy")
