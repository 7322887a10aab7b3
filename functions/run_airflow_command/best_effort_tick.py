"""The tick of the sweep, which is a safety net and no reason to fail.

A migration, or worse its rollback, must not fail because EventBridge Scheduler does.
"""

from aws_lambda_powertools import Logger

from run_airflow_command.ports import Tick
from shared.errors import AwsCallError


class BestEffortTick:
    def __init__(self, tick: Tick, logger: Logger) -> None:
        self._tick = tick
        self._logger = logger

    def ensure(self) -> None:
        try:
            self._tick.ensure()
        except AwsCallError:
            self._logger.exception("The sweep could not be scheduled: a lost event stays lost")
