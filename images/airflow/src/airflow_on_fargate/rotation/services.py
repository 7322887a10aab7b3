"""Restarts of the services, so that their tasks get the current secrets."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from airflow_on_fargate.rotation.errors import RotationError

# Pulling an image and draining a task take minutes. A longer time means that something is wrong.
STEADY_SECONDS: Final = 1800.0
LOOK_SECONDS: Final = 3.0
# Restarted first: it restarts without a gap, and a secret with which nothing starts is noticed
# here, before the scheduler is touched.
FIRST: Final = "-api-server"


@dataclass(frozen=True)
class Services:
    """The services of one cluster, which are all of this stack."""

    client: Any
    cluster: str
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic

    def restart(self) -> None:
        """Replace every task; returns when the new ones are steady and the old ones stopped."""
        services = self._described(self._arns())
        first = [each for each in services if _family(each).endswith(FIRST)]
        rest = [each for each in services if each not in first]
        for group in (first, rest):
            self._wait_until_steady(
                {each["serviceArn"]: self._begin(each["serviceArn"]) for each in group}
            )

    def _begin(self, arn: str) -> str:
        """Begin a deployment of the same task definition; returns its id."""
        answer = self.client.update_service(
            cluster=self.cluster, service=arn, forceNewDeployment=True
        )
        return str(_primary(answer["service"])["id"])

    def _wait_until_steady(self, begun: Mapping[str, str]) -> None:
        """Wait for the end of each service's deployment.

        Raises:
            RotationError: a deployment failed, another one took its place, or it takes too long.
        """
        deadline = self.clock() + STEADY_SECONDS
        while unsteady := [each for each in self._described(list(begun)) if not _is_steady(each)]:
            _check_that_none_ended(unsteady, begun)
            if self.clock() > deadline:
                raise RotationError(f"not steady after {STEADY_SECONDS:.0f} s: {_names(unsteady)}")
            self.sleep(LOOK_SECONDS)
        # A deployment that ECS has rolled back leaves a steady service, with the old tasks.
        _check_that_none_ended(self._described(list(begun)), begun)

    def _arns(self) -> list[str]:
        pages = self.client.get_paginator("list_services").paginate(cluster=self.cluster)
        return [arn for page in pages for arn in page["serviceArns"]]

    def _described(self, arns: Sequence[str]) -> list[dict[str, Any]]:
        """As they are now. ECS takes ten at a time, and there are at most five: the API server's,
        and one or three of the control plane, or both while the class changes."""
        if not arns:
            return []
        answer = self.client.describe_services(cluster=self.cluster, services=list(arns))
        return list(answer["services"])


def _primary(service: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = next(d for d in service["deployments"] if d["status"] == "PRIMARY")
    return found


def _is_steady(service: dict[str, Any]) -> bool:
    primary = _primary(service)
    # The previous deployment is listed until its last task has stopped. One that failed, days ago
    # perhaps, may be listed without tasks.
    others = [each for each in service["deployments"] if each is not primary]
    return (
        not any(each["runningCount"] or each["pendingCount"] for each in others)
        and primary.get("rolloutState", "COMPLETED") == "COMPLETED"
        and service["runningCount"] == service["desiredCount"]
        and not service["pendingCount"]
    )


def _check_that_none_ended(services: Sequence[dict[str, Any]], begun: Mapping[str, str]) -> None:
    ended = [
        each
        for each in services
        if _primary(each)["id"] != begun[each["serviceArn"]]
        or _primary(each).get("rolloutState") == "FAILED"
    ]
    if ended:
        raise RotationError(f"a deployment has failed or was replaced by another: {_names(ended)}")


def _names(services: Sequence[dict[str, Any]]) -> str:
    return ", ".join(_family(each) for each in services)


def _family(service: dict[str, Any]) -> str:
    return str(service["taskDefinition"]).rpartition("/")[2].partition(":")[0]
