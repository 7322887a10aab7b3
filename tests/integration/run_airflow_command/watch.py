"""Measures when the task of a stack is STOPPED and when CloudFormation has the answer.

The emulator's time stamps are whole seconds, so both are polled ten times a second.
"""

import threading
import time
from dataclasses import dataclass
from typing import Any

from waiting import PATIENCE_SECONDS

from tests.integration.run_airflow_command.conftest import Harness

_POLL_SECONDS = 0.1
_LONGEST_SECONDS = 2 * PATIENCE_SECONDS


@dataclass(frozen=True)
class Seen:
    succeeded: bool
    reason: str
    response_url: str
    # Seconds from the request to the answer, and from the end of its task, if any, to the answer.
    seconds: float
    after_stopped: float | None


class Watch:
    """Watches a stack from the moment that this object is created."""

    def __init__(self, harness: Harness, stack_id: str) -> None:
        self.stack_id = stack_id
        self._harness = harness
        self._since = time.monotonic()
        self._stopped: float | None = None
        self._record: dict[str, Any] | None = None
        self._event: dict[str, Any] | None = None
        self._answered = 0.0
        # Created here, because two threads cannot create clients at the same time.
        self._cloudformation = harness.client("cloudformation")
        self._ecs = harness.client("ecs")
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def seen(self) -> Seen:
        self._thread.join(_LONGEST_SECONDS)
        assert self._event, "the custom resource was neither created nor refused"
        record = self._record or self._harness.record_of(self.stack_id)
        return Seen(
            succeeded=self._event["ResourceStatus"] == "CREATE_COMPLETE",
            reason=self._event.get("ResourceStatusReason", ""),
            response_url=record["request"]["ResponseURL"] if record else "",
            seconds=self._answered - self._since,
            after_stopped=self._answered - self._stopped if self._stopped else None,
        )

    def _watch(self) -> None:
        while time.monotonic() < self._since + _LONGEST_SECONDS:
            if self._stopped is None:
                self._look_at_the_task()
            self._event = self._answer()
            if self._event:
                self._answered = time.monotonic()
                return
            time.sleep(_POLL_SECONDS)

    def _look_at_the_task(self) -> None:
        if self._record is None or not self._record["task_arn"]:
            self._record = self._harness.record_of(self.stack_id)
        if self._record is None or not self._record["task_arn"]:
            return
        cluster, arn = self._harness.outputs["Cluster"], self._record["task_arn"]
        (task,) = self._ecs.describe_tasks(cluster=cluster, tasks=[arn])["tasks"]
        if task["lastStatus"] == "STOPPED":
            self._stopped = time.monotonic()

    def _answer(self) -> dict[str, Any] | None:
        answer = self._cloudformation.describe_stack_events(StackName=self.stack_id)
        ends = ("CREATE_COMPLETE", "CREATE_FAILED")
        mine = (e for e in answer["StackEvents"] if e["LogicalResourceId"] == "Command")
        return next((event for event in mine if event["ResourceStatus"] in ends), None)
