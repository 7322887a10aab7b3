"""The kinds of call: a change in the bucket, a regular look, or somebody who asks for something."""

import os
import time
from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools.utilities.data_classes import S3EventBridgeNotificationEvent
from aws_lambda_powertools.utilities.typing import LambdaContext

from publish_dags.burst import BurstPublisher
from publish_dags.promotion import Promoter
from publish_dags.publisher import Outcome, Publication, Publisher
from publish_dags.s3_claim import S3Claim
from publish_dags.s3_dag_source import S3DagSource
from publish_dags.s3_inbox import S3Inbox, is_upload
from publish_dags.s3_release_store import S3ReleaseStore
from publish_dags.settings import PublishDagsSettings
from shared import clients
from shared.observability import Event, MetricName, Telemetry, UnknownEventError, observed

_CHANGES = ("Object Created", "Object Deleted")
_MAX_HISTORY = 100


@observed
def handler(event: Event, context: LambdaContext, telemetry: Telemetry) -> dict[str, Any]:
    settings = PublishDagsSettings.from_environment(os.environ)
    publisher = _publisher(settings)
    by = str(event.get("by", ""))
    if "promote" in event:
        return _promote(publisher, event, by, telemetry)
    if "history" in event:
        count = min(int(event["history"]), _MAX_HISTORY)
        return {"history": Promoter(publisher).history(count)}
    if event.get("resume"):
        Promoter(publisher).resume(by)
        return _report(publisher.publish(by), telemetry)
    if set(event) <= {"by"}:
        return _report(publisher.publish(by), telemetry)
    if event.get("source") == "reconciliation":
        return _report(publisher.publish("reconciliation", again=False), telemetry)
    if event.get("source") != "aws.s3" or event.get("detail-type") not in _CHANGES:
        raise UnknownEventError(event)
    return _change(settings, publisher, event, telemetry)


def _change(
    settings: PublishDagsSettings, publisher: Publisher, event: Event, telemetry: Telemetry
) -> dict[str, Any]:
    detail = S3EventBridgeNotificationEvent(event).detail
    key = detail.object.key
    telemetry.logger.append_keys(changed_key=key)
    in_inbox = key.startswith(settings.inbox_prefix) and is_upload(key)
    if not key.startswith(settings.source_prefix) and not in_inbox:
        # Releases and reports lie in the same bucket: publishing because of them would never end.
        telemetry.logger.info("Neither in the DAGs folder nor a zip in the inbox")
        return {"outcome": "ignored"}
    claim = S3Claim(clients.s3(), settings.bucket_name, settings.release_prefix)
    burst = BurstPublisher(publisher, claim, time.sleep)
    return _report(burst.publish_change(str(detail.get("requester", ""))), telemetry)


def _promote(publisher: Publisher, event: Event, by: str, telemetry: Telemetry) -> dict[str, Any]:
    hold = bool(event.get("hold", False))
    pointer = Promoter(publisher).promote(str(event["promote"]), by, hold)
    telemetry.count(MetricName.RELEASES_PROMOTED)
    result: dict[str, Any] = {
        "outcome": "promoted",
        "release": pointer.release,
        "hold": hold,
        "changes": dict(pointer.changes),
    }
    telemetry.logger.info("Promoted a release", by=by, **result)
    return result


def _report(publication: Publication, telemetry: Telemetry) -> dict[str, Any]:
    result: dict[str, Any] = {
        "outcome": publication.outcome.value,
        "release": publication.release,
        "files": publication.files,
        "filesRead": publication.files_read,
        "problems": [str(problem) for problem in publication.problems],
        "warnings": [str(problem) for problem in publication.warnings],
    }
    if publication.outcome is Outcome.REFUSED and not publication.known:
        telemetry.logger.error("Refused to publish", **result)
        telemetry.count(MetricName.RELEASES_REFUSED)
    else:
        telemetry.logger.info("Looked at what lies in the bucket", **result)
    if publication.outcome is Outcome.PUBLISHED:
        telemetry.count(MetricName.RELEASES_PUBLISHED)
    return result


def _publisher(settings: PublishDagsSettings) -> Publisher:
    bucket = settings.bucket_name
    return Publisher(
        source=S3DagSource(clients.s3(), bucket, settings.source_prefix),
        inbox=S3Inbox(clients.s3(), bucket, settings.inbox_prefix),
        releases=S3ReleaseStore(clients.s3(), bucket, settings.release_prefix),
        limits=settings.limits,
        now=lambda: datetime.now(UTC),
    )
