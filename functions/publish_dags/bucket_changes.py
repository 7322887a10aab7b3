"""The events of the bucket that one call brings: a batch of messages from the queue.

Between EventBridge and the function lies a queue, which collects the events of a second. So an
upload of 10,000 files calls the function a few times, not 10,000 times.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from json import JSONDecodeError

from aws_lambda_powertools.utilities.data_classes import S3EventBridgeNotificationEvent, SQSEvent

from contracts.dag_bucket import INBOX_PREFIX, RELEASE_PREFIX, SOURCE_PREFIX
from contracts.release_reports import IMPORT_ERRORS_SUFFIX
from publish_dags.listing import is_upload
from shared.observability import Event

_CHANGES = ("Object Created", "Object Deleted")


@dataclass(frozen=True)
class BucketChanges:
    """What a batch says, without order and without repetition: events come late and twice."""

    count: int
    # Keys of files of the DAGs folder and of zip files, and the requester of the last one.
    dag_keys: tuple[str, ...]
    by: str
    # Releases about which Airflow has reported import errors.
    reported_releases: tuple[str, ...]
    # Messages that are not events of the bucket.
    unknown: int


def bucket_changes(event: Event) -> BucketChanges:
    found = [_change(body) for body in _bodies(event)]
    changes = [change for change in found if change is not None]
    dags = [(key, by) for key, by in changes if _is_dag(key)]
    reports = {
        key.removeprefix(RELEASE_PREFIX).removesuffix(IMPORT_ERRORS_SUFFIX)
        for key, _ in changes
        if key.startswith(RELEASE_PREFIX) and key.endswith(IMPORT_ERRORS_SUFFIX)
    }
    return BucketChanges(
        count=len(changes),
        dag_keys=tuple(sorted({key for key, _ in dags})),
        by=dags[-1][1] if dags else "",
        reported_releases=tuple(sorted(reports)),
        unknown=len(found) - len(changes),
    )


def _bodies(event: Event) -> Iterator[Event | None]:
    for record in SQSEvent(event).records:
        try:
            body = record.json_body
        except JSONDecodeError:
            body = None
        yield body if isinstance(body, dict) else None


def _change(body: Event | None) -> tuple[str, str] | None:
    """Key and requester of a changed object; None if the message is something else."""
    if body is None or body.get("source") != "aws.s3" or body.get("detail-type") not in _CHANGES:
        return None
    detail = S3EventBridgeNotificationEvent(body).detail
    return detail.object.key, str(detail.get("requester", ""))


def _is_dag(key: str) -> bool:
    """Releases and reports lie in the same bucket: publishing because of them would never end."""
    return key.startswith(SOURCE_PREFIX) or (key.startswith(INBOX_PREFIX) and is_upload(key))
