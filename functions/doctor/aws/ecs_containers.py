"""Services, tasks and task definitions of the cluster."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from doctor.ports import DefinitionState, ServiceState, TaskState
from shared.aws.named_errors import named_errors
from shared.errors import AwsCallError
from shared.fargate import family

if TYPE_CHECKING:
    from mypy_boto3_ecs import ECSClient

# The limits of DescribeServices and DescribeTasks.
_SERVICES_AT_ONCE = 10
_TASKS_AT_ONCE = 100
# More tasks than any class runs.
_MOST_TASKS = 2000


class NoSuchDefinitionError(AwsCallError):
    """There is no such task definition."""


class EcsContainers:
    def __init__(self, client: "ECSClient", cluster_arn: str) -> None:
        self._client = client
        self._cluster = cluster_arn

    def services(self) -> Sequence[ServiceState]:
        with named_errors("list the services"):
            pages = self._client.get_paginator("list_services").paginate(cluster=self._cluster)
            arns = [arn for page in pages for arn in page["serviceArns"]]
        found = []
        for first in range(0, len(arns), _SERVICES_AT_ONCE):
            with named_errors("describe the services"):
                answer = self._client.describe_services(
                    cluster=self._cluster, services=arns[first : first + _SERVICES_AT_ONCE]
                )
            found += [_service(service) for service in answer["services"]]
        return [service for service in found if service is not None]

    def tasks(self) -> Sequence[TaskState]:
        return list(self._tasks())

    def _tasks(self) -> Iterator[TaskState]:
        with named_errors("list the tasks"):
            pages = self._client.get_paginator("list_tasks").paginate(
                cluster=self._cluster,
                PaginationConfig={"PageSize": _TASKS_AT_ONCE, "MaxItems": _MOST_TASKS},
            )
            for page in pages:
                if not page["taskArns"]:
                    continue
                described = self._client.describe_tasks(
                    cluster=self._cluster, tasks=page["taskArns"]
                )
                for task in described["tasks"]:
                    yield TaskState(
                        family=family(task["taskDefinitionArn"]),
                        status=task["lastStatus"],
                        health=task.get("healthStatus", "UNKNOWN"),
                        vcpu=int(task.get("cpu") or 0) / 1024,
                    )

    def definition(self, name: str) -> DefinitionState | None:
        try:
            with named_errors(
                f"describe the task definition {name}", {"ClientException": NoSuchDefinitionError}
            ):
                found = self._client.describe_task_definition(taskDefinition=name)["taskDefinition"]
        except NoSuchDefinitionError:
            return None
        containers = found["containerDefinitions"]
        logs = [each.get("logConfiguration", {}).get("options", {}) for each in containers]
        return DefinitionState(
            family=found["family"],
            task_role_arn=found.get("taskRoleArn", ""),
            execution_role_arn=found.get("executionRoleArn", ""),
            secret_arns=tuple(
                dict.fromkeys(
                    _secret_arn(secret["valueFrom"])
                    for each in containers
                    for secret in each.get("secrets", [])
                )
            ),
            log_groups=tuple(
                dict.fromkeys(each["awslogs-group"] for each in logs if "awslogs-group" in each)
            ),
            containers=tuple(each["name"] for each in containers),
            image=containers[0]["image"],
        )


def _service(service: Any) -> ServiceState | None:
    if service["status"] != "ACTIVE":
        return None
    newest = service["deployments"][0] if service.get("deployments") else {}
    return ServiceState(
        name=_short(service["serviceName"]),
        desired=service["desiredCount"],
        running=service["runningCount"],
        rollout=newest.get("rolloutState", "COMPLETED"),
        rollout_reason=newest.get("rolloutStateReason", ""),
        task_definition=service["taskDefinition"],
    )


def _short(name: str) -> str:
    """CloudFormation names it <stack>-ServicesStack-<chance>-<logical id>-<chance>."""
    parts = name.split("-")
    return next((part for part in parts if part.endswith("Service")), name)


def _secret_arn(reference: str) -> str:
    """Without the key in the secret's JSON: arn:aws:secretsmanager:region:account:secret:name."""
    return ":".join(reference.split(":")[:7])
