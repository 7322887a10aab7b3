"""Restarts of the services, so that their tasks get the current secrets."""

import time
from collections.abc import Callable, Sequence
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
            arns = [each["serviceArn"] for each in group]
            for arn in arns:
                self.client.update_service(
                    cluster=self.cluster, service=arn, forceNewDeployment=True
                )
            self._wait_until_steady(arns)

    def _wait_until_steady(self, arns: Sequence[str]) -> None:
        deadline = self.clock() + STEADY_SECONDS
        while unsteady := [each for each in self._described(arns) if not _is_steady(each)]:
            names = ", ".join(_family(each) for each in unsteady)
            if any(_has_failed(each) for each in unsteady):
                raise RotationError(f"a deployment has failed: {names}")
            if self.clock() > deadline:
                raise RotationError(f"not steady after {STEADY_SECONDS:.0f} s: {names}")
            self.sleep(LOOK_SECONDS)

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


def _is_steady(service: dict[str, Any]) -> bool:
    # The previous deployment is listed until its last task has stopped.
    (first, *others) = service["deployments"]
    return (
        not others
        and first.get("rolloutState", "COMPLETED") == "COMPLETED"
        and service["runningCount"] == service["desiredCount"]
        and not service["pendingCount"]
    )


def _has_failed(service: dict[str, Any]) -> bool:
    return bool(service["deployments"][0].get("rolloutState") == "FAILED")


def _family(service: dict[str, Any]) -> str:
    return str(service["taskDefinition"]).rpartition("/")[2].partition(":")[0]
