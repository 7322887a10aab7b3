"""Two kinds of call: a change in the DAGs folder, or somebody asks for a release."""

import os
import time
from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools.utilities.data_classes import S3EventBridgeNotificationEvent
from aws_lambda_powertools.utilities.typing import LambdaContext

from publish_dags.publisher import Outcome, Publication, Publisher
from publish_dags.s3_dag_source import S3DagSource
from publish_dags.s3_release_store import S3ReleaseStore
from publish_dags.settings import PublishDagsSettings
from shared import clients
from shared.observability import Event, MetricName, Telemetry, UnknownEventError, observed

_CHANGES = ("Object Created", "Object Deleted")


@observed
def handler(event: Event, context: LambdaContext, telemetry: Telemetry) -> dict[str, Any]:
    settings = PublishDagsSettings.from_environment(os.environ)
    publisher = _publisher(settings)
    if not event:
        return _report(publisher.publish(), telemetry)
    if event.get("source") != "aws.s3" or event.get("detail-type") not in _CHANGES:
        raise UnknownEventError(event)
    change = S3EventBridgeNotificationEvent(event).detail.object
    if not change.key.startswith(settings.source_prefix):
        # A release is written to the same bucket: publishing because of it would never end.
        telemetry.logger.info("Not in the DAGs folder", key=change.key)
        return {"outcome": "ignored"}
    telemetry.logger.append_keys(changed_key=change.key)
    return _report(publisher.publish_change(change.get("version-id")), telemetry)


def _report(publication: Publication, telemetry: Telemetry) -> dict[str, Any]:
    problems = [str(problem) for problem in publication.problems]
    result: dict[str, Any] = {
        "outcome": publication.outcome.value,
        "release": publication.release,
        "files": publication.files,
        "filesRead": publication.files_read,
        "problems": problems,
    }
    if publication.outcome is Outcome.REFUSED:
        telemetry.logger.error("Refused to publish", **result)
        telemetry.count(MetricName.RELEASES_REFUSED)
    else:
        telemetry.logger.info("Looked at the DAGs folder", **result)
    if publication.outcome is Outcome.PUBLISHED:
        telemetry.count(MetricName.RELEASES_PUBLISHED)
    return result


def _publisher(settings: PublishDagsSettings) -> Publisher:
    return Publisher(
        source=S3DagSource(clients.s3(), settings.bucket_name, settings.source_prefix),
        releases=S3ReleaseStore(clients.s3(), settings.bucket_name, settings.release_prefix),
        now=lambda: datetime.now(UTC),
        sleep=time.sleep,
    )
