"""Fargate tasks: where they run and how they ended."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shared.settings import Environment, PublicIp

if TYPE_CHECKING:
    from mypy_boto3_ecs.type_defs import NetworkConfigurationTypeDef


@dataclass(frozen=True)
class TaskPlacement:
    """Where a task runs."""

    cluster_arn: str
    subnet_ids: tuple[str, ...]
    security_group_ids: tuple[str, ...]
    assign_public_ip: PublicIp

    @classmethod
    def from_environment(cls, environment: Environment) -> "TaskPlacement":
        return cls(
            cluster_arn=environment.text("CLUSTER_ARN"),
            subnet_ids=environment.items("SUBNET_IDS"),
            security_group_ids=environment.items("SECURITY_GROUP_IDS"),
            assign_public_ip=environment.public_ip("ASSIGN_PUBLIC_IP"),
        )

    def role_arn(self, name: str) -> str:
        """The ARN of a role of the cluster's account."""
        _, partition, _, _, account, _ = self.cluster_arn.split(":", 5)
        return f"arn:{partition}:iam::{account}:role/{name}"

    def network_configuration(self) -> "NetworkConfigurationTypeDef":
        return {
            "awsvpcConfiguration": {
                "subnets": list(self.subnet_ids),
                "securityGroups": list(self.security_group_ids),
                "assignPublicIp": self.assign_public_ip,
            }
        }


@dataclass(frozen=True)
class StoppedTask:
    """A stopped task, from an "ECS Task State Change" event."""

    arn: str
    task_definition_arn: str
    started_by: str
    stopped_reason: str
    exit_code: int | None
    container_reason: str

    @classmethod
    def from_event(cls, detail: Mapping[str, Any], container_name: str) -> "StoppedTask":
        """The named container's exit code is the task's; containers are named after components."""
        containers = detail.get("containers") or []
        container: Mapping[str, Any] = next(
            (each for each in containers if each.get("name") == container_name), {}
        )
        return cls(
            arn=detail["taskArn"],
            task_definition_arn=detail.get("taskDefinitionArn", ""),
            started_by=detail.get("startedBy", ""),
            stopped_reason=detail.get("stoppedReason", ""),
            exit_code=container.get("exitCode"),
            container_reason=container.get("reason", ""),
        )

    @property
    def id(self) -> str:
        return task_id(self.arn)

    @property
    def succeeded(self) -> bool:
        # No exit code means that the container never ran: an image, secret or network problem.
        return self.exit_code == 0


def is_stopped_task_event(event: Mapping[str, Any]) -> bool:
    return (
        event.get("source") == "aws.ecs"
        and event.get("detail-type") == "ECS Task State Change"
        and event.get("detail", {}).get("lastStatus") == "STOPPED"
    )


def task_id(task_arn: str) -> str:
    return task_arn.rpartition("/")[2]


def family_and_revision(task_definition_arn: str) -> str:
    """`family:revision`, from an ARN or from `family:revision`."""
    return task_definition_arn.rpartition("/")[2]


def family(task_definition_arn: str) -> str:
    return family_and_revision(task_definition_arn).partition(":")[0]
