"""Logs and metrics, the same for every function.

Every log line carries the stack's name and the call's request id. Metrics travel inside the log
(embedded metric format), so they cost no call; all their names stand here.
"""

import os
from collections.abc import Callable
from enum import StrEnum
from functools import wraps
from typing import Any, TypeVar

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

Event = dict[str, Any]
Result = TypeVar("Result")


class MetricName(StrEnum):
    """Each counts; a metric that is never emitted costs nothing."""

    PARAMETERS_REFUSED = "ParametersRefused"
    COMMANDS_SUCCEEDED = "CommandsSucceeded"
    COMMANDS_FAILED = "CommandsFailed"
    # The sweep found what no event had announced.
    COMMAND_EVENTS_LOST = "CommandEventsLost"
    MAINTENANCE_SUCCEEDED = "MaintenanceSucceeded"
    MAINTENANCE_FAILED = "MaintenanceFailed"
    WORKERS_LAUNCHED = "WorkersLaunched"
    WORKER_LAUNCHES_FAILED = "WorkerLaunchesFailed"
    WORKER_LAUNCHES_PAUSED = "WorkerLaunchesPaused"
    WORKERS_DIED = "WorkersDied"
    # Those that hung.
    WORKERS_STOPPED = "WorkersStopped"
    RELEASES_PUBLISHED = "ReleasesPublished"
    RELEASES_REFUSED = "ReleasesRefused"
    RELEASES_PROMOTED = "ReleasesPromoted"
    RELEASE_WARNINGS = "ReleaseWarnings"
    # Files of the current release that Airflow cannot import, whenever their number changes.
    RELEASE_IMPORT_ERRORS = "ReleaseImportErrors"
    NOTIFICATIONS_FAILED = "NotificationsFailed"
    RELEASES_REMOVED = "ReleasesRemoved"
    # Something is old enough to go, and stays because Airflow does not say what its runs need.
    RELEASE_RETENTION_BLOCKED = "ReleaseRetentionBlocked"


class UnknownEventError(Exception):
    """No part of this function handles the event: something is wired wrongly."""

    def __init__(self, event: Event) -> None:
        # The event's values may be secret, its keys are not.
        super().__init__(f"No known kind of call; the event has the keys {sorted(event)}")


class Telemetry:
    """The log and the metrics of one call."""

    def __init__(self, stack_name: str, context: LambdaContext) -> None:
        self.logger = Logger()
        self.logger.append_keys(stack_name=stack_name, request_id=context.aws_request_id)
        self._metrics = EphemeralMetrics()
        self._metrics.add_dimension("Stack", stack_name)

    def count(self, name: MetricName, value: int = 1) -> None:
        if value:
            self._metrics.add_metric(name, MetricUnit.Count, value)

    def flush(self) -> None:
        if self._metrics.metric_set:
            self._metrics.flush_metrics()
        # The logger outlives the call; the next one starts with clean keys.
        self.logger.clear_state()


def observed(
    handler: Callable[[Event, LambdaContext, Telemetry], Result],
) -> Callable[[Event, LambdaContext], Result]:
    """Give a handler its telemetry, and log whatever it raises before raising it again."""

    @wraps(handler)
    def handle(event: Event, context: LambdaContext) -> Result:
        # Not a required setting: without it a custom resource must still answer CloudFormation.
        telemetry = Telemetry(os.environ.get("STACK_NAME") or "unknown", context)
        try:
            return handler(event, context, telemetry)
        except Exception:
            telemetry.logger.exception("The call failed")
            raise
        finally:
            telemetry.flush()

    return handle
