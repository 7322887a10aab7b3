"""The clock of CloudWatch: at the end of each minute resources are measured, then alarms evaluated.

ministack 1.5.33 evaluates an alarm only when PutMetricData is called. The setting
`cloudwatch_minute_seconds` shortens the minute, and the alarms' periods with it.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping

from ministack.core.concurrency import spawn_background
from ministack.services import cloudwatch

from embedded_aws.account_scope import account_scope
from embedded_aws.settings import Settings

# Each records the metrics of one kind of resource, as of a point in time.
Recorder = Callable[[float], None]
_recorders: list[Recorder] = []

logger = logging.getLogger("embedded_aws.cloudwatch")


def install(settings: Settings) -> None:
    spawn_background(_keep_time, settings, thread_name="embedded-aws-cloudwatch-clock")


def add_recorder(recorder: Recorder) -> None:
    _recorders.append(recorder)


def record(
    namespace: str,
    metric: str,
    value: float,
    dimensions: Mapping[str, str],
    at: float,
    unit: str = "Count",
) -> None:
    key = (namespace, metric, cloudwatch._dims_key(dict(dimensions)))
    cloudwatch._metric_bucket(key).append(
        {"Timestamp": at, "Value": value, "Unit": unit, "Dimensions": dict(dimensions)}
    )


def _keep_time(settings: Settings) -> None:
    minute = settings.cloudwatch_minute_seconds
    while True:
        # Minutes follow the clock, however long the work takes.
        end_of_minute = (time.time() // minute + 1) * minute
        threading.Event().wait(end_of_minute - time.time())
        with account_scope(settings):
            for recorder in _recorders:
                try:
                    recorder(end_of_minute - minute / 1000)
                except Exception:
                    logger.exception("the metrics of a minute failed")
            try:
                cloudwatch._evict_old_metrics()
                cloudwatch._evaluate_all_alarms()
            except Exception:
                logger.exception("the alarms of a minute failed")
