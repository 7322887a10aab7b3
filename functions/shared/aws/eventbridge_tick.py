"""The tick: a one-off schedule with a fixed name that calls the function again at a given time.

For functions that must run again while there is work, and must not run while there is none.
"""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from shared.aws.named_errors import named_errors
from shared.errors import AwsCallError
from shared.tick import TICK_EVENT, TickTarget

if TYPE_CHECKING:
    from mypy_boto3_scheduler import EventBridgeSchedulerClient

_FORMAT = "at(%Y-%m-%dT%H:%M:%S)"


class ScheduleExistsError(AwsCallError):
    """A schedule with this name exists."""


class NoScheduleError(AwsCallError):
    """No schedule with this name exists."""


class EventBridgeTick:
    def __init__(
        self,
        client: "EventBridgeSchedulerClient",
        target: TickTarget,
        now: Callable[[], datetime],
    ) -> None:
        self._client = client
        self._target = target
        self._now = now

    def ensure(self, moment: datetime) -> None:
        """Make sure that a schedule exists in the future, at that time or earlier.

        An earlier one stays as it is: if every wake-up of a busy minute moved it, it would never
        fire. One in the past has fired and is about to be deleted: it is moved.
        """
        # A schedule may disappear between two calls. Three attempts are enough.
        for _ in range(3):
            try:
                with named_errors("create the tick", {"ConflictException": ScheduleExistsError}):
                    self._client.create_schedule(**self._schedule(moment))
                return
            except ScheduleExistsError:
                pass
            try:
                if not self._is_ahead_of(moment):
                    with named_errors(
                        "move the tick", {"ResourceNotFoundException": NoScheduleError}
                    ):
                        self._client.update_schedule(**self._schedule(moment))
                return
            except NoScheduleError:
                continue

    def cancel(self) -> None:
        try:
            with named_errors("cancel the tick", {"ResourceNotFoundException": NoScheduleError}):
                self._client.delete_schedule(
                    Name=self._target.schedule_name, GroupName=self._target.group_name
                )
        except NoScheduleError:
            return

    def _is_ahead_of(self, latest: datetime) -> bool:
        with named_errors("read the tick", {"ResourceNotFoundException": NoScheduleError}):
            schedule = self._client.get_schedule(
                Name=self._target.schedule_name, GroupName=self._target.group_name
            )
        moment = datetime.strptime(schedule["ScheduleExpression"], _FORMAT).replace(tzinfo=UTC)
        return self._now() < moment <= latest

    def _schedule(self, moment: datetime) -> dict[str, Any]:
        return {
            "Name": self._target.schedule_name,
            "GroupName": self._target.group_name,
            "ScheduleExpression": moment.astimezone(UTC).strftime(_FORMAT),
            "ScheduleExpressionTimezone": "UTC",
            "FlexibleTimeWindow": {"Mode": "OFF"},
            "ActionAfterCompletion": "DELETE",
            "Target": {
                "Arn": self._target.function_arn,
                "RoleArn": self._target.role_arn,
                "Input": json.dumps(TICK_EVENT),
                # A tick that could not be delivered for minutes is no longer useful.
                "RetryPolicy": {"MaximumRetryAttempts": 5, "MaximumEventAgeInSeconds": 300},
            },
        }
