"""The tick of the sweep. A tick that cannot be set is logged and is not an error.

The sweep is a safety net: a migration, or even its rollback, must not fail because EventBridge
Scheduler fails.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol

from aws_lambda_powertools import Logger

from shared.errors import AwsCallError

_INTERVAL = timedelta(seconds=60)


class Schedule(Protocol):
    """Calls the function again, at that time or earlier."""

    def ensure(self, moment: datetime) -> None: ...


class BestEffortTick:
    def __init__(self, schedule: Schedule, now: Callable[[], datetime], logger: Logger) -> None:
        self._schedule = schedule
        self._now = now
        self._logger = logger

    def ensure(self) -> None:
        try:
            self._schedule.ensure(self._now() + _INTERVAL)
        except AwsCallError:
            self._logger.exception(
                "Could not schedule the sweep: a lost event would not be noticed"
            )
