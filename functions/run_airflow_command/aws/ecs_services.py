"""The counts of ECS services."""

from typing import TYPE_CHECKING

from shared.aws.named_errors import named_errors

if TYPE_CHECKING:
    from mypy_boto3_ecs import ECSClient


class EcsServices:
    def __init__(self, client: "ECSClient", cluster_arn: str) -> None:
        self._client = client
        self._cluster_arn = cluster_arn

    def desired_count(self, service_arn: str) -> int | None:
        with named_errors("look at a service"):
            response = self._client.describe_services(
                cluster=self._cluster_arn, services=[service_arn]
            )
        active = [one for one in response["services"] if one["status"] == "ACTIVE"]
        return active[0]["desiredCount"] if active else None

    def set_desired_count(self, service_arn: str, count: int) -> None:
        with named_errors("set a service's count"):
            self._client.update_service(
                cluster=self._cluster_arn, service=service_arn, desiredCount=count
            )
