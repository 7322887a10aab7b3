"""AWS::ECS::Service with all properties, complete only when the service is steady.

ministack 1.5.33 drops ServiceRegistries, HealthCheckGracePeriodSeconds and others, and reports
success before any task runs. CloudFormation waits until the deployment is complete, and fails
the resource when the deployment circuit breaker has ended it.
"""

import time
from typing import Any

from ministack.services.cloudformation import provisioners, stacks

from embedded_aws.api_members import request_members, request_shape
from embedded_aws.busy import stretched
from embedded_aws.cloudformation.engine import Created, FailedCreateError, Properties
from embedded_aws.cloudformation.operations.turns import current_turn, others_meanwhile
from embedded_aws.ecs import engine as ecs
from embedded_aws.settings import Settings

_POLL_SECONDS = 0.2
# stopTimeout is at most 120 seconds.
_DRAIN_TIMEOUT_SECONDS = 150
_NOT_IN_THE_API = {"PlacementStrategies": "PlacementStrategy"}


class ServiceNotSteadyError(RuntimeError):
    """The service did not become steady; the message says why, as far as ECS knows."""


def install(settings: Settings) -> None:
    timeout = settings.service_steady_timeout_seconds

    def create(logical_id: str, properties: Properties, stack_name: str) -> Created:
        defaults = {"ServiceName": f"{stack_name}-{logical_id}", "DesiredCount": 1}
        request = request_members("ecs", "CreateService", _api({**defaults, **properties}))
        answer = ecs.answer_of(ecs.stock._create_service(request), "CreateService")
        service = answer["service"]
        try:
            _wait_until_steady(service["serviceArn"], timeout)
        except ServiceNotSteadyError as failure:
            raise FailedCreateError(str(failure), service["serviceArn"]) from failure
        return _created(service["serviceArn"])

    def update(arn: str, old: Properties, new: Properties, stack_name: str) -> Created:
        updatable = {name.lower() for name in request_shape("ecs", "UpdateService").members}
        changed = {
            name: value
            for name, value in _api(new).items()
            if value != old.get(name) and name != "Tags"
        }
        fixed = sorted(name for name in changed if name.lower() not in updatable)
        if fixed:
            raise ValueError(f"{', '.join(fixed)} of a service cannot change in the embedded AWS")
        if "DeploymentConfiguration" in old and "DeploymentConfiguration" not in new:
            changed["DeploymentConfiguration"] = {
                "MaximumPercent": 200,
                "MinimumHealthyPercent": 100,
            }
        cluster, name = arn.split("/")[-2:]
        request = request_members(
            "ecs", "UpdateService", {**changed, "Cluster": cluster, "Service": name}
        )
        ecs.answer_of(ecs.stock._update_service(request), "UpdateService")
        _wait_until_steady(arn, timeout)
        return _created(arn)

    def delete(arn: str, properties: Properties) -> None:
        cluster, name = arn.split("/")[-2:]
        service = ecs.stock._services.get(f"{cluster}/{name}")
        if service is None:
            return
        ecs.stock._delete_service({"cluster": cluster, "service": name, "force": True})
        deadline = time.monotonic() + _DRAIN_TIMEOUT_SECONDS
        while any(task["lastStatus"] != "STOPPED" for task in ecs.tasks_of_service(service)):
            if time.monotonic() > deadline:
                raise ServiceNotSteadyError(f"The tasks of service {name} do not stop.")
            with others_meanwhile():
                time.sleep(_POLL_SECONDS)

    provisioners._RESOURCE_HANDLERS["AWS::ECS::Service"].update(
        create=create, update=update, delete=delete
    )
    _send_failed_updates_back()


def _send_failed_updates_back() -> None:
    """A rollback also reverts a service whose update failed, and waits for it."""
    sends_back = stacks._sends_back_failed_update
    stacks._sends_back_failed_update = lambda resource_type: (
        resource_type == "AWS::ECS::Service" or sends_back(resource_type)
    )


def _api(properties: Properties) -> dict[str, Any]:
    return {_NOT_IN_THE_API.get(name, name): value for name, value in properties.items()}


def _created(arn: str) -> Created:
    return arn, {"ServiceArn": arn, "Name": arn.rsplit("/", 1)[-1]}


def _wait_until_steady(arn: str, timeout: float) -> None:
    key = "/".join(arn.split("/")[-2:])
    service = ecs.stock._services[key]
    expected = ecs.stock._primary_deployment(service)
    began = time.monotonic()
    turn = current_turn()
    while not _is_steady(service, expected):
        if turn.cancelled:
            raise ServiceNotSteadyError("The stack's operation was cancelled.")
        if expected["rolloutState"] == "FAILED":
            raise ServiceNotSteadyError(
                f"ECS Deployment Circuit Breaker was triggered. {_last_failure(service)}"
            )
        if service["status"] != "ACTIVE":
            raise ServiceNotSteadyError("The service was deleted while its deployment went on.")
        if time.monotonic() - began > stretched(timeout):
            raise ServiceNotSteadyError(
                f"The service did not become steady within {timeout:g} seconds: "
                f"{service['runningCount']} of {service['desiredCount']} tasks run. "
                f"{_last_failure(service)}"
            )
        with others_meanwhile():
            time.sleep(_POLL_SECONDS)


def _is_steady(service: ecs.Service, deployment: dict[str, Any]) -> bool:
    active = [task for task in ecs.tasks_of_service(service) if task["lastStatus"] != "STOPPED"]
    return (
        deployment["rolloutState"] == "COMPLETED"
        and len(active) == service["desiredCount"]
        and all(ecs.is_running(task) for task in active)
    )


def _last_failure(service: ecs.Service) -> str:
    stopped = [
        task
        for task in ecs.tasks_of_service(service)
        if task.get("stopCode") in ("EssentialContainerExited", "TaskFailedToStart")
        or "health check" in (task.get("stoppedReason") or "")
    ]
    if not stopped:
        return "No task has failed so far."
    last = max(stopped, key=lambda task: str(task.get("stoppedAt") or ""))
    codes = [c["exitCode"] for c in last["containers"] if c.get("exitCode") is not None]
    exit_code = f" (exit code {codes[0]})" if codes else ""
    return f"Last failed task {last['taskArn']}: {last['stoppedReason']}{exit_code}."
