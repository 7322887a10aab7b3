"""The tick of the sweep, which is a safety net and no reason to fail.

A migration, or worse its rollback, must not fail because EventBridge Scheduler does.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol

from aws_lambda_powertools import Logger

from shared.errors import AwsCallError

_INTERVAL = timedelta(seconds=60)


class Schedule(Protocol):
    """What calls the function again, at that time or earlier."""

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
            self._logger.exception("The sweep could not be scheduled: a lost event stays lost")
