"""Stop what must not run while the schema changes; the function starts it again.

The components that create new work stop first; the API server, which running tasks use, stops last.
The counts are in the state bucket before the first service is stopped, so that they are restored
even if this process is killed: the function `run_airflow_command` restores them when this task has
ended, whatever its exit code.
"""

import time
from collections.abc import Callable, Iterator
from typing import Any, Final

from airflow_on_fargate.contracts import names
from airflow_on_fargate.contracts.upgrade_notes import QuiescedNote
from airflow_on_fargate.schema.task_identity import TaskIdentity
from airflow_on_fargate.schema.upgrade_state import UpgradeState

# In class micro the control plane is one service, otherwise it is three. A deployment that changes
# the class has both for a moment.
ORDER: Final = ((names.CONTROL_PLANE, *names.COMPACT_COMPONENTS), (names.API_SERVER,))
# ECS waits 30 s for the load balancer, then at most 60 s for the process.
LIMIT_SECONDS: Final = 240.0
POLL_SECONDS: Final = 2.0
# The processes of such a task have ended.
_ENDED: Final = frozenset({"DEPROVISIONING", "STOPPED", "DELETED"})


class StillRunningError(Exception):
    """A component did not stop. Nothing was changed in the database."""


class Quiescence:
    """Sets the services of this stack to 0."""

    def __init__(
        self,
        ecs: Any,
        identity: TaskIdentity,
        state: UpgradeState,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        say: Callable[[str], None] = lambda text: print(text, flush=True),
    ) -> None:
        self._ecs = ecs
        self._identity = identity
        self._state = state
        self._sleep = sleep
        self._clock = clock
        self._say = say

    def begin(self) -> None:
        """Return when no service has a running task."""
        services = dict(self._services())
        counts = {one["serviceArn"]: int(one["desiredCount"]) for one in services.values()}
        before = self._state.quiesced()
        if before is not None:
            # An earlier command stopped them and its counts were not restored: use those.
            counts = {arn: count or before.counts.get(arn, 0) for arn, count in counts.items()}
        self._state.remember_quiesced(QuiescedNote(self._identity.task_arn, counts))
        for group in ORDER:
            stopping = [services[component] for component in group if component in services]
            for service in stopping:
                self._ecs.update_service(
                    cluster=self._identity.cluster_arn,
                    service=service["serviceArn"],
                    desiredCount=0,
                )
            for service in stopping:
                self._wait(service["serviceName"])

    def _wait(self, name: str) -> None:
        started = self._clock()
        while running := list(self._running(name)):
            if self._clock() - started > LIMIT_SECONDS:
                raise StillRunningError(
                    f"{name} did not stop within {LIMIT_SECONDS:.0f} s: {', '.join(running)}"
                )
            self._sleep(POLL_SECONDS)
        self._say(f"Stopped {name} after {self._clock() - started:.0f} s")

    def _services(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """The services of this stack, by the name that follows the stack's in their task family."""
        pages = self._ecs.get_paginator("list_services").paginate(
            cluster=self._identity.cluster_arn, PaginationConfig={"PageSize": 10}
        )
        for page in pages:
            if not page["serviceArns"]:
                continue
            described = self._ecs.describe_services(
                cluster=self._identity.cluster_arn, services=page["serviceArns"]
            )
            for service in described["services"]:
                family = service["taskDefinition"].rpartition("/")[2].partition(":")[0]
                yield family.removeprefix(names.task_family(self._identity.stack_name, "")), service

    def _running(self, name: str) -> Iterator[str]:
        """Tasks that may still run: those that are being stopped are listed as stopped."""
        for status in ("RUNNING", "STOPPED"):
            pages = self._ecs.get_paginator("list_tasks").paginate(
                cluster=self._identity.cluster_arn, serviceName=name, desiredStatus=status
            )
            for page in pages:
                if page["taskArns"]:
                    described = self._ecs.describe_tasks(
                        cluster=self._identity.cluster_arn, tasks=page["taskArns"]
                    )
                    for task in described["tasks"]:
                        if task["lastStatus"] not in _ENDED:
                            yield str(task["taskArn"])
