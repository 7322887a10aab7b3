"""Command tasks on ECS."""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from contracts.names import COMMAND
from run_airflow_command.commands.record import CommandRecord
from run_airflow_command.commands.task_overrides import overrides
from run_airflow_command.ports import SeenTask, TaskNotStartedError
from shared.aws.named_errors import error_code, error_message, named_errors
from shared.aws.new_roles import cannot_be_assumed, with_new_roles
from shared.errors import AwsCallError
from shared.fargate import StoppedTask, TaskPlacement, family

if TYPE_CHECKING:
    from mypy_boto3_ecs import ECSClient
    from mypy_boto3_ecs.type_defs import TaskTypeDef

# DescribeTasks' limit.
_DESCRIBED_AT_ONCE = 100


class NoSuchClusterError(AwsCallError):
    """The cluster no longer exists, and so no task does."""


_NO_CLUSTER = {"ClusterNotFoundException": NoSuchClusterError}


class EcsTaskRunner:
    def __init__(
        self,
        client: "ECSClient",
        placement: TaskPlacement,
        task_definition_arn: str,
        rotation_task_role_arn: str,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._placement = placement
        self._family = family(task_definition_arn)
        self._rotation_task_role_arn = rotation_task_role_arn
        self._sleep = sleep

    def run(self, record: CommandRecord, task_definition_arn: str) -> str:
        with named_errors("start the command's task"):
            try:
                return with_new_roles(lambda: self._run(record, task_definition_arn), self._sleep)
            except ClientError as error:
                if not _is_refusal(error):
                    raise
                raise TaskNotStartedError(
                    "Could not start the command's task: "
                    f"{error_code(error)}: {error_message(error)}"
                ) from error

    def find(self, record: CommandRecord) -> SeenTask | None:
        arns = [record.task_arn] if record.task_arn else self._arns()
        for task in self._describe(arns):
            if task.get("startedBy") == record.request_id:
                return _seen(task)
        return None

    def stop(self, task_arn: str, reason: str) -> None:
        with named_errors("stop the command's task"):
            self._client.stop_task(
                cluster=self._placement.cluster_arn, task=task_arn, reason=reason
            )

    def remaining(self) -> list[str]:
        try:
            tasks = list(self._describe(self._arns()))
        except NoSuchClusterError:
            return []
        return [task["taskArn"] for task in tasks if task["lastStatus"] != "STOPPED"]

    def _arns(self) -> list[str]:
        """All tasks of the family, including those of starts that were cut off.

        ListTasks can also filter by startedBy, but then by nothing else, and would not find a
        stopped task.
        """
        arns: list[str] = []
        paginator = self._client.get_paginator("list_tasks")
        for status in ("RUNNING", "STOPPED"):
            with named_errors("list the commands' tasks", _NO_CLUSTER):
                for page in paginator.paginate(
                    cluster=self._placement.cluster_arn,
                    family=self._family,
                    desiredStatus=status,
                ):
                    arns += page["taskArns"]
        return arns

    def _describe(self, arns: list[str]) -> Iterator["TaskTypeDef"]:
        for start in range(0, len(arns), _DESCRIBED_AT_ONCE):
            with named_errors("describe the command's task"):
                answer = self._client.describe_tasks(
                    cluster=self._placement.cluster_arn,
                    tasks=arns[start : start + _DESCRIBED_AT_ONCE],
                )
            yield from answer["tasks"]

    def _run(self, record: CommandRecord, task_definition_arn: str) -> str:
        try:
            response = self._client.run_task(
                cluster=self._placement.cluster_arn,
                taskDefinition=task_definition_arn,
                launchType="FARGATE",
                count=1,
                networkConfiguration=self._placement.network_configuration(),
                propagateTags="TASK_DEFINITION",
                enableECSManagedTags=True,
                # The same id twice: the event of the task's end contains startedBy, and with the
                # token a repeated call returns the first call's task.
                startedBy=record.request_id,
                clientToken=record.request_id,
                overrides=overrides(  # type: ignore[arg-type]
                    list(record.command), record.size, self._rotation_task_role_arn
                ),
            )
        except self._client.exceptions.ConflictException as error:
            # The token was used with other parameters: the function was updated in between.
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


def _is_refusal(error: ClientError) -> bool:
    """Whether ECS has refused for certain: after a 5xx, or a conflict, there may be a task."""
    status: int = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500)
    uncertain = error_code(error) == "ConflictException" or cannot_be_assumed(error)
    return 400 <= status < 500 and not uncertain


def _seen(task: "TaskTypeDef") -> SeenTask:
    status = task["lastStatus"]
    return SeenTask(
        arn=task["taskArn"],
        status=status,
        has_run="startedAt" in task,
        stopping=task.get("desiredStatus") == "STOPPED",
        stopped=StoppedTask.from_event(task, COMMAND) if status == "STOPPED" else None,
    )
