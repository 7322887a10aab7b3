"""Worker tasks on ECS."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal

from scale_workers.fleet_state import Launch
from scale_workers.ports import LaunchResult, WorkerTask
from shared.errors import AwsCallError, named_errors
from shared.fargate import CONTAINER_NAME, TaskPlacement, family, family_and_revision

if TYPE_CHECKING:
    from mypy_boto3_ecs import ECSClient
    from mypy_boto3_ecs.type_defs import TaskTypeDef

# The limits of RunTask and of DescribeTasks.
_TASKS_PER_LAUNCH = 10
_TASKS_PER_DESCRIPTION = 100

_SPOT = "FARGATE_SPOT"
_NO_CAPACITY = "Capacity is unavailable"

# How long a worker that fills the minimum may idle; it leaves then, so that one is replaced which
# is no longer needed, or hangs.
_STANDING_IDLE_SECONDS = 6 * 3600


class LaunchedByAnotherError(AwsCallError):
    """Another look is launching workers at this moment."""


class NoSuchTaskError(AwsCallError):
    """ECS has forgotten the task: it stopped long ago."""


class EcsWorkerTasks:
    def __init__(
        self, client: "ECSClient", placement: TaskPlacement, task_definition_arn: str
    ) -> None:
        self._client = client
        self._placement = placement
        self._family = family(task_definition_arn)

    def active(self) -> Sequence[WorkerTask]:
        return [
            WorkerTask(
                arn=task["taskArn"],
                revision=family_and_revision(task["taskDefinitionArn"]),
                requested_at=task["createdAt"],
                started_at=task.get("startedAt"),
                on_spot=task.get("capacityProviderName") == _SPOT,
            )
            for task in self._tasks("RUNNING")
        ]

    def remaining(self) -> Sequence[str]:
        # A task that was told to stop is listed as STOPPED at once, but keeps its network interface
        # until its last status says so too.
        return [
            task["taskArn"]
            for desired_status in ("RUNNING", "STOPPED")
            for task in self._tasks(desired_status)
            if task["lastStatus"] != "STOPPED"
        ]

    def launch(self, launch: Launch, revision: str) -> LaunchResult:
        started: list[str] = []
        failures: list[str] = []
        for batch, first in enumerate(range(0, launch.count, _TASKS_PER_LAUNCH)):
            try:
                with named_errors("start workers", {"ConflictException": LaunchedByAnotherError}):
                    response = self._client.run_task(
                        cluster=self._placement.cluster_arn,
                        taskDefinition=revision,
                        count=min(_TASKS_PER_LAUNCH, launch.count - first),
                        networkConfiguration=self._placement.network_configuration(),
                        propagateTags="TASK_DEFINITION",
                        enableExecuteCommand=True,
                        clientToken=f"{launch.token}-{batch}",
                        **_how(launch),
                    )
            except LaunchedByAnotherError:
                break
            except AwsCallError as error:
                # What earlier batches started counts; the rest is the next look's.
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
        try:
            # InvalidParameterException: "The referenced task was not found."
            with named_errors("stop a worker", {"InvalidParameterException": NoSuchTaskError}):
                self._client.stop_task(
                    cluster=self._placement.cluster_arn, task=task_arn, reason=reason
                )
        except NoSuchTaskError:
            return

    def _tasks(self, desired_status: Literal["RUNNING", "STOPPED"]) -> Iterator["TaskTypeDef"]:
        with named_errors("look at the workers"):
            # By family, which all revisions share; `startedBy` would admit no second filter.
            pages = self._client.get_paginator("list_tasks").paginate(
                cluster=self._placement.cluster_arn,
                family=self._family,
                desiredStatus=desired_status,
                PaginationConfig={"PageSize": _TASKS_PER_DESCRIPTION},
            )
            for page in pages:
                if page["taskArns"]:
                    yield from self._client.describe_tasks(
                        cluster=self._placement.cluster_arn, tasks=page["taskArns"]
                    )["tasks"]


def _how(launch: Launch) -> dict[str, Any]:
    """A strategy excludes a launch type, and is no fallback: one provider at a time."""
    how: dict[str, Any] = (
        {"capacityProviderStrategy": [{"capacityProvider": _SPOT, "weight": 1}]}
        if launch.on_spot
        else {"launchType": "FARGATE"}
    )
    environment = {}
    if launch.patience is not None:
        environment["WORKER_FIRST_TASK_SECONDS"] = launch.patience
    if launch.standing:
        environment["WORKER_IDLE_TIMEOUT_SECONDS"] = _STANDING_IDLE_SECONDS
    if environment:
        values = [{"name": name, "value": str(value)} for name, value in environment.items()]
        override = {"name": CONTAINER_NAME, "environment": values}
        how["overrides"] = {"containerOverrides": [override]}
    return how
