"""The wait for workers that started with an old secret."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from airflow_on_fargate.rotation.errors import RotationError

LOOK_SECONDS: Final = 10.0


@dataclass(frozen=True)
class Workers:
    """The fleet. Workers are not stopped: an idle worker exits by itself."""

    client: Any
    cluster: str
    family: str
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic

    def wait_until_gone(self, made_before: datetime, seconds: float) -> None:
        """Return when every worker that was created before this moment has stopped."""
        deadline = self.clock() + seconds
        while old := self._made_before(made_before):
            if self.clock() >= deadline:
                raise RotationError(
                    f"{len(old)} workers still hold the old value after {seconds:.0f} s"
                )
            self.sleep(LOOK_SECONDS)

    def _made_before(self, moment: datetime) -> list[str]:
        pages = self.client.get_paginator("list_tasks").paginate(
            cluster=self.cluster, family=self.family
        )
        arns = [arn for page in pages for arn in page["taskArns"]]
        old = []
        for start in range(0, len(arns), 100):
            answer = self.client.describe_tasks(
                cluster=self.cluster, tasks=arns[start : start + 100]
            )
            old += [
                task["taskArn"]
                for task in answer["tasks"]
                if task["lastStatus"] != "STOPPED" and task["createdAt"] < moment
            ]
        return old
