"""Command tasks on ECS."""

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from run_airflow_command.command import CommandRecord, overrides
from shared.errors import AwsCallError, error_code, error_message, named_errors
from shared.fargate import TaskPlacement

if TYPE_CHECKING:
    from mypy_boto3_ecs import ECSClient

# IAM is eventually consistent: in the first two minutes of a role's life ECS may not be able to
# assume it.
_WAITS_SECONDS = (5, 10, 15, 20, 30, 40)


class TaskNotStartedError(AwsCallError):
    """ECS took the request but started no task."""


class EcsTaskRunner:
    def __init__(
        self,
        client: "ECSClient",
        placement: TaskPlacement,
        rotation_task_role_arn: str,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._placement = placement
        self._rotation_task_role_arn = rotation_task_role_arn
        self._sleep = sleep

    def run(self, record: CommandRecord, task_definition_arn: str) -> str:
        with named_errors("start the command's task"):
            for wait in _WAITS_SECONDS:
                try:
                    return self._run(record, task_definition_arn)
                except ClientError as error:
                    if not _role_is_too_new(error):
                        raise
                self._sleep(wait)
            return self._run(record, task_definition_arn)

    def _run(self, record: CommandRecord, task_definition_arn: str) -> str:
        try:
            response = self._client.run_task(
                cluster=self._placement.cluster_arn,
                taskDefinition=task_definition_arn,
                launchType="FARGATE",
                count=1,
                networkConfiguration=self._placement.network_configuration(),
                propagateTags="TASK_DEFINITION",
                # One id for all: the event brings back startedBy, and the token makes a repeated
                # call find the task of the first.
                startedBy=record.request_id,
                clientToken=record.request_id,
                overrides=overrides(  # type: ignore[arg-type]
                    list(record.command), self._rotation_task_role_arn
                ),
            )
        except self._client.exceptions.ConflictException as error:
            # The token was used with other parameters: the function was updated between the two.
            response_fields: Mapping[str, Any] = error.response
            task_arns = response_fields.get("resourceIds")
            if not task_arns:
                raise
            return str(task_arns[0])
        for failure in response.get("failures", []):
            raise TaskNotStartedError(
                f"ECS started no task: {failure.get('reason', 'no reason given')} "
                f"{failure.get('detail', '')}".rstrip()
            )
        if not response["tasks"]:
            raise TaskNotStartedError("ECS started no task and gave no reason")
        return response["tasks"][0]["taskArn"]


def _role_is_too_new(error: ClientError) -> bool:
    return error_code(error) == "ClientException" and "unable to assume" in error_message(error)
