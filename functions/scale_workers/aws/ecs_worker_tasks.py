"""Worker tasks on ECS."""

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from contracts.names import COMMAND, WORKER
from contracts.queues import DEFAULT_QUEUE
from contracts.worker_settings import (
    CONCURRENCY,
    FIRST_TASK_SECONDS,
    IDLE_TIMEOUT_SECONDS,
    SECRETS_OF_QUEUE,
)
from scale_workers.fleet_state import Launch
from scale_workers.ports import LaunchResult, WorkerTask
from shared.aws.named_errors import named_errors
from shared.aws.new_roles import with_new_roles
from shared.errors import AwsCallError
from shared.fargate import TaskPlacement, family, family_and_revision
from shared.worker_fleets import WorkerSize

if TYPE_CHECKING:
    from mypy_boto3_ecs import ECSClient
    from mypy_boto3_ecs.type_defs import TaskTypeDef

# The limits of RunTask and of DescribeTasks.
_TASKS_PER_LAUNCH = 10
_TASKS_PER_DESCRIPTION = 100

_SPOT = "FARGATE_SPOT"
_NO_CAPACITY = "Capacity is unavailable"

# The idle timeout of a worker that fills the minimum. It is not endless, so that a worker that is
# no longer needed, or hangs, is replaced.
_STANDING_IDLE_SECONDS = 6 * 3600


# Only the scaler reads it: ECS returns an environment unchanged, but formats sizes differently.
_SIZE = "WORKER_SIZE"


class LaunchedByAnotherError(AwsCallError):
    """Another call is launching these workers at this moment."""


class NoSuchTaskError(AwsCallError):
    """ECS no longer knows the task: it stopped long ago."""


class EcsWorkerTasks:
    """The workers of one fleet. `startedBy` is the name of the fleet's queue.

    All fleets share one task definition; what differs is passed as overrides.
    """

    def __init__(
        self,
        client: "ECSClient",
        placement: TaskPlacement,
        task_definition_arn: str,
        queue: str = DEFAULT_QUEUE,
        size: WorkerSize | None = None,
        idle_timeout_seconds: int = 20,
        sleep: Callable[[float], None] = time.sleep,
        ecs_exec: bool = False,
        task_role_arn: str | None = None,
        operator_cluster: str = "",
    ) -> None:
        self._client = client
        self._placement = placement
        self._family = family(task_definition_arn)
        self._queue = queue
        self._size = size
        self._idle_timeout_seconds = idle_timeout_seconds
        self._sleep = sleep
        self._ecs_exec = ecs_exec
        # An isolated queue has a role of its own, and secrets that only this role may read.
        self._task_role_arn = task_role_arn
        # Its tasks are of DAGs, and end with the fleets.
        self._operator_cluster = operator_cluster

    def active(self) -> Sequence[WorkerTask]:
        # By family, which all revisions share; `startedBy` allows no second filter.
        cluster = self._placement.cluster_arn
        listed = self._tasks("RUNNING", cluster, family=self._family)
        return [self._worker(task) for task in listed if self._is_ours(task)]

    def _is_ours(self, task: "TaskTypeDef") -> bool:
        # A worker that is started by hand may have no `startedBy`.
        return (task.get("startedBy") or DEFAULT_QUEUE) == self._queue

    def _worker(self, task: "TaskTypeDef") -> WorkerTask:
        environment = _environment(task)
        return WorkerTask(
            arn=task["taskArn"],
            revision=family_and_revision(task["taskDefinitionArn"]),
            requested_at=task["createdAt"],
            started_at=task.get("startedAt"),
            on_spot=task.get("capacityProviderName") == _SPOT,
            standing=environment.get(IDLE_TIMEOUT_SECONDS) == str(_STANDING_IDLE_SECONDS),
            outdated=(environment.get(_SIZE), _role(task))
            != (_label(self._size), self._task_role_arn),
            unhealthy=task.get("healthStatus") == "UNHEALTHY",
        )

    def remaining(self) -> Sequence[str]:
        # A task that is being stopped is listed as STOPPED at once, but keeps its network interface
        # until its last status is STOPPED, too.
        return [
            task["taskArn"]
            for cluster in (self._placement.cluster_arn, self._operator_cluster)
            if cluster
            for desired_status in ("RUNNING", "STOPPED")
            for task in self._tasks(desired_status, cluster)
            if task["lastStatus"] != "STOPPED" and self._ends_with_the_fleets(task)
        ]

    def _ends_with_the_fleets(self, task: "TaskTypeDef") -> bool:
        """Workers, and what executors and operators have started: not services, nor commands."""
        command = self._family.removesuffix(WORKER) + COMMAND
        of_a_service = task.get("group", "").startswith("service:")
        return not of_a_service and family(task["taskDefinitionArn"]) != command

    def launch(self, launch: Launch, revision: str) -> LaunchResult:
        started: list[str] = []
        failures: list[str] = []
        for batch, first in enumerate(range(0, launch.count, _TASKS_PER_LAUNCH)):
            try:
                with named_errors("start workers", {"ConflictException": LaunchedByAnotherError}):
                    run = partial(
                        self._client.run_task,
                        cluster=self._placement.cluster_arn,
                        taskDefinition=revision,
                        count=min(_TASKS_PER_LAUNCH, launch.count - first),
                        networkConfiguration=self._placement.network_configuration(),
                        propagateTags="TASK_DEFINITION",
                        enableECSManagedTags=True,
                        enableExecuteCommand=self._ecs_exec,
                        clientToken=f"{launch.token}-{batch}",
                        startedBy=self._queue,
                        **self._how(launch),
                    )
                    response = with_new_roles(run, self._sleep)
            except LaunchedByAnotherError:
                break
            except AwsCallError as error:
                # The workers of earlier batches count; the next check starts the rest.
                failures.append(str(error))
                break
            started += [task["taskArn"] for task in response["tasks"]]
            failures += [
                f"{failure.get('reason', 'no reason given')} {failure.get('detail', '')}".rstrip()
                for failure in response.get("failures", [])
            ]
        refused = launch.on_spot and any(each.startswith(_NO_CAPACITY) for each in failures)
        return LaunchResult(started, failures, spot_refused=refused)

    def stop(self, task_arn: str, reason: str) -> None:
        operators = self._operator_cluster
        of_an_operator = operators and f":task/{operators}/" in task_arn
        cluster = operators if of_an_operator else self._placement.cluster_arn
        try:
            # InvalidParameterException: "The referenced task was not found."
            with named_errors("stop a worker", {"InvalidParameterException": NoSuchTaskError}):
                self._client.stop_task(cluster=cluster, task=task_arn, reason=reason)
        except NoSuchTaskError:
            return

    def _tasks(
        self, desired_status: Literal["RUNNING", "STOPPED"], cluster: str, **filters: Any
    ) -> Iterator["TaskTypeDef"]:
        with named_errors("list the workers"):
            pages = self._client.get_paginator("list_tasks").paginate(
                cluster=cluster,
                desiredStatus=desired_status,
                **filters,
                PaginationConfig={"PageSize": _TASKS_PER_DESCRIPTION},
            )
            for page in pages:
                if page["taskArns"]:
                    yield from self._client.describe_tasks(cluster=cluster, tasks=page["taskArns"])[
                        "tasks"
                    ]

    def _how(self, launch: Launch) -> dict[str, Any]:
        """A strategy excludes a launch type and does not fall back: use one provider at a time."""
        how: dict[str, Any] = (
            {"capacityProviderStrategy": [{"capacityProvider": _SPOT, "weight": 1}]}
            if launch.on_spot
            else {"launchType": "FARGATE"}
        )
        environment = {
            FIRST_TASK_SECONDS: launch.patience,
            IDLE_TIMEOUT_SECONDS: (
                _STANDING_IDLE_SECONDS if launch.standing else self._idle_timeout_seconds
            ),
            CONCURRENCY: self._size.slots if self._size else None,
            _SIZE: _label(self._size),
            SECRETS_OF_QUEUE: self._queue if self._task_role_arn else None,
        }
        container: dict[str, Any] = {}
        if self._queue != DEFAULT_QUEUE:
            container["command"] = ["celery", "worker", "--queues", self._queue]
        container["environment"] = [
            {"name": name, "value": str(value)}
            for name, value in environment.items()
            if value is not None
        ]
        overrides: dict[str, Any] = {"containerOverrides": [{"name": WORKER, **container}]}
        if self._size:
            overrides["cpu"] = str(self._size.cpu)
            overrides["memory"] = str(self._size.memory_mib)
        if self._task_role_arn:
            overrides["taskRoleArn"] = self._task_role_arn
        return {**how, "overrides": overrides}


def _environment(task: "TaskTypeDef") -> dict[str, str]:
    """The environment overrides with which the worker was started."""
    return {
        each["name"]: each["value"]
        for container in task.get("overrides", {}).get("containerOverrides", [])
        if container.get("name") == WORKER
        for each in container.get("environment", [])
    }


def _role(task: "TaskTypeDef") -> str | None:
    """The role with which the worker was started; None for the task definition's."""
    return task.get("overrides", {}).get("taskRoleArn") or None


def _label(size: WorkerSize | None) -> str | None:
    """A size as one word; None for the task definition's size."""
    return str(size) if size else None
