"""Logs and metrics of all functions.

Every log line contains the stack's name and the call's request id. Metrics are written to the log
(embedded metric format), so they need no API call. All metric names are defined here.
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
    """All are counts. A metric that is never emitted costs nothing."""

    PARAMETERS_REFUSED = "ParametersRefused"
    COMMANDS_SUCCEEDED = "CommandsSucceeded"
    COMMANDS_FAILED = "CommandsFailed"
    # The sweep found an end of which no event had arrived.
    COMMAND_EVENTS_LOST = "CommandEventsLost"
    MAINTENANCE_SUCCEEDED = "MaintenanceSucceeded"
    MAINTENANCE_FAILED = "MaintenanceFailed"
    WORKERS_LAUNCHED = "WorkersLaunched"
    WORKER_LAUNCHES_FAILED = "WorkerLaunchesFailed"
    WORKER_LAUNCHES_PAUSED = "WorkerLaunchesPaused"
    WORKERS_DIED = "WorkersDied"
    # Workers that hung.
    WORKERS_STOPPED = "WorkersStopped"
    RELEASES_PUBLISHED = "ReleasesPublished"
    RELEASES_REFUSED = "ReleasesRefused"
    RELEASES_PROMOTED = "ReleasesPromoted"
    RELEASE_WARNINGS = "ReleaseWarnings"
    # Files that stay out of a release that was published.
    RELEASE_EXCLUSIONS = "ReleaseExclusions"
    # Files of the current release that Airflow cannot import, emitted when the number changes.
    RELEASE_IMPORT_ERRORS = "ReleaseImportErrors"
    IMAGES_BUILT = "ImagesBuilt"
    IMAGE_BUILDS_FAILED = "ImageBuildsFailed"
    # The image is stored, but its scan found what Options refuses, or did not end.
    IMAGES_REFUSED = "ImagesRefused"
    NOTIFICATIONS_FAILED = "NotificationsFailed"
    RELEASES_REMOVED = "ReleasesRemoved"
    # Releases are old enough to be removed, but Airflow does not report which ones its runs need.
    RELEASE_RETENTION_BLOCKED = "ReleaseRetentionBlocked"


class UnknownEventError(Exception):
    """The function does not handle this event: a trigger is configured wrongly."""

    def __init__(self, event: Event) -> None:
        # The event's values may be secret; its keys are not.
        super().__init__(f"Unknown kind of event; it has the keys {sorted(event)}")


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
        # The logger outlives the call; the next call starts without these keys.
        self.logger.clear_state()


def observed(
    handler: Callable[[Event, LambdaContext, Telemetry], Result],
) -> Callable[[Event, LambdaContext], Result]:
    """Pass a Telemetry to a handler, and log every exception before raising it again."""

    @wraps(handler)
    def handle(event: Event, context: LambdaContext) -> Result:
        # Not a required setting: a custom resource must answer CloudFormation without it, too.
        telemetry = Telemetry(os.environ.get("STACK_NAME") or "unknown", context)
        try:
            return handler(event, context, telemetry)
        except Exception:
            telemetry.logger.exception("The call failed")
            raise
        finally:
            telemetry.flush()

    return handle
