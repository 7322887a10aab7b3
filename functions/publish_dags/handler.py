"""Handle changes in the bucket, the regular reconciliation, or a direct request."""

import os
import time
from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from contracts.dag_bucket import INBOX_PREFIX, RELEASE_PREFIX, SOURCE_PREFIX
from publish_dags import messages
from publish_dags.aws.s3_claim import S3Claim
from publish_dags.aws.s3_dag_source import S3DagSource
from publish_dags.aws.s3_inbox import S3Inbox
from publish_dags.aws.s3_release_shelf import S3ReleaseShelf
from publish_dags.aws.sns_notifier import SnsNotifier
from publish_dags.bucket_changes import BucketChanges, bucket_changes
from publish_dags.burst import BurstPublisher
from publish_dags.history.promotion import Promoter
from publish_dags.history.retention import Retention
from publish_dags.publisher import Outcome, Publication, Publisher
from publish_dags.settings import PublishDagsSettings
from shared.aws import clients
from shared.errors import AwsCallError
from shared.observability import Event, MetricName, Telemetry, UnknownEventError, observed

_MAX_HISTORY = 100

# In the log of a call.
_NAMED_KEYS = 20

# What storing a release, or reporting a refusal, may still take when checking has to end.
_MILLISECONDS_TO_REPORT = 60_000

# In the answer and the log; the report beside the release contains all of them.
_NAMED_EXCLUSIONS = 200


@observed
def handler(event: Event, context: LambdaContext, telemetry: Telemetry) -> dict[str, Any]:
    call = _Call(PublishDagsSettings.from_environment(os.environ), context, telemetry)
    by = str(event.get("by", ""))
    if "promote" in event:
        return call.promote(str(event["promote"]), by, bool(event.get("hold", False)))
    if "history" in event:
        return call.history(int(event["history"]))
    if event.get("resume"):
        return call.resume(by)
    if event.get("retire"):
        return call.retire()
    if set(event) <= {"by"}:
        return call.publish(by)
    if event.get("source") == "reconciliation":
        return {**call.publish("reconciliation", again=False), **call.retire()}
    if "Records" not in event:
        raise UnknownEventError(event)
    return call.changes(bucket_changes(event))


class _Call:
    def __init__(
        self, settings: PublishDagsSettings, context: LambdaContext, telemetry: Telemetry
    ) -> None:
        self._settings = settings
        self._telemetry = telemetry
        bucket = settings.bucket_name
        self._releases = S3ReleaseShelf(clients.s3(), bucket, RELEASE_PREFIX)
        self._publisher = Publisher(
            source=S3DagSource(clients.s3(), bucket, SOURCE_PREFIX),
            inbox=S3Inbox(clients.s3(), bucket, INBOX_PREFIX),
            releases=self._releases,
            limits=settings.limits,
            now=lambda: datetime.now(UTC),
            strict=settings.strict,
            queues=settings.queues,
            isolated_queues=settings.isolated_queues,
            executors=settings.executors,
            dag_files_of_class=settings.dag_files_of_class,
            out_of_time=lambda: context.get_remaining_time_in_millis() < _MILLISECONDS_TO_REPORT,
        )

    def publish(self, by: str, again: bool = True) -> dict[str, Any]:
        return self._report(self._publisher.publish(by, again))

    def changes(self, changes: BucketChanges) -> dict[str, Any]:
        """Objects in the bucket have changed; this function may have written them.

        A batch causes one publication. If the call fails, the queue delivers the batch again.
        """
        keys = changes.dag_keys
        self._telemetry.logger.append_keys(
            changes=changes.count, changed_keys=[*keys[:_NAMED_KEYS]]
        )
        if changes.unknown:
            self._telemetry.logger.error(
                "Ignoring messages that are not events of the bucket", messages=changes.unknown
            )
        result: dict[str, Any] = {"outcome": "ignored"}
        if keys:
            settings = self._settings
            claim = S3Claim(clients.s3(), settings.bucket_name, RELEASE_PREFIX)
            burst = BurstPublisher(self._publisher, claim, time.sleep)
            result = self._report(burst.publish_change(changes.by))
        reports = [self._import_errors(release) for release in changes.reported_releases]
        reports = [report for report in reports if report is not None]
        if reports:
            outcome = result["outcome"] if keys else "reported"
            result |= {"outcome": outcome, "reports": reports}
        elif not keys:
            self._telemetry.logger.info(
                "Ignoring the changes: no DAG file, no zip file in the inbox, no readable report"
            )
        return result

    def promote(self, release: str, by: str, hold: bool) -> dict[str, Any]:
        pointer = Promoter(self._publisher).promote(release, by, hold)
        self._telemetry.count(MetricName.RELEASES_PROMOTED)
        result: dict[str, Any] = {
            "outcome": "promoted",
            "release": pointer.release,
            "hold": hold,
            "changes": dict(pointer.changes),
        }
        self._telemetry.logger.info("Promoted a release", by=by, **result)
        return result

    def resume(self, by: str) -> dict[str, Any]:
        Promoter(self._publisher).resume(by)
        return self.publish(by)

    def history(self, count: int) -> dict[str, Any]:
        return {"history": Promoter(self._publisher).history(min(count, _MAX_HISTORY))}

    def retire(self) -> dict[str, Any]:
        """Remove old releases that no run needs."""
        settings = self._settings
        retirement = Retention(
            self._releases, self._releases, settings.releases_kept, settings.release_days
        ).retire()
        if retirement.blocked:
            self._telemetry.logger.warning("Removed no release", reason=retirement.blocked)
            self._telemetry.count(MetricName.RELEASE_RETENTION_BLOCKED)
        elif retirement.releases or retirement.archives:
            self._telemetry.logger.info(
                "Removed releases", releases=retirement.releases, archives=retirement.archives
            )
        self._telemetry.count(MetricName.RELEASES_REMOVED, len(retirement.releases))
        return {"removed": list(retirement.releases), "removalBlocked": retirement.blocked}

    def _report(self, publication: Publication) -> dict[str, Any]:
        telemetry = self._telemetry
        result: dict[str, Any] = {
            "outcome": publication.outcome.value,
            "release": publication.release,
            "files": publication.files,
            "filesRead": publication.files_read,
            "problems": [str(problem) for problem in publication.problems],
            "warnings": [str(problem) for problem in publication.warnings],
            "excludedFiles": len(publication.exclusions),
            "excluded": [str(each) for each in publication.exclusions[:_NAMED_EXCLUSIONS]],
        }
        stack = self._settings.stack_name
        if publication.outcome is Outcome.REFUSED and not publication.known:
            telemetry.logger.error("Refused the files", **result)
            telemetry.count(MetricName.RELEASES_REFUSED)
            self._notify(messages.of_refusal(stack, publication.release, publication.problems))
        elif publication.warnings or publication.exclusions:
            telemetry.logger.warning("Checked the bucket", **result)
        else:
            telemetry.logger.info("Checked the bucket", **result)
        if publication.outcome is Outcome.PUBLISHED:
            telemetry.count(MetricName.RELEASES_PUBLISHED)
            telemetry.count(MetricName.RELEASE_WARNINGS, len(publication.warnings))
            telemetry.count(MetricName.RELEASE_EXCLUSIONS, len(publication.exclusions))
        if publication.new_warnings or publication.new_exclusions:
            self._notify(messages.of_release(stack, publication))
        return result

    def _import_errors(self, release: str) -> dict[str, Any] | None:
        """Airflow has written a report about files of a release that it cannot import.

        None if it is deleted, or not readable.
        """
        report = self._releases.import_errors(release)
        if report is None:
            return None
        result: dict[str, Any] = {"release": report.release, "importErrors": report.total}
        if report.total:
            failures = [f"{each.path}: {each.error}" for each in report.failures]
            self._telemetry.logger.warning(
                "Airflow cannot import files of the release", failures=failures, **result
            )
        else:
            self._telemetry.logger.info("Airflow can import all files again", **result)
        self._telemetry.count(MetricName.RELEASE_IMPORT_ERRORS, report.total)
        if report.announce:
            self._notify(messages.of_import_errors(self._settings.stack_name, report))
        return result

    def _notify(self, message: messages.Message) -> None:
        """Failing to notify must not fail the call."""
        try:
            SnsNotifier(clients.sns(), self._settings.notification_topic_arn).notify(message)
        except AwsCallError as error:
            self._telemetry.logger.warning("Could not notify the topic", reason=str(error))
            self._telemetry.count(MetricName.NOTIFICATIONS_FAILED)
