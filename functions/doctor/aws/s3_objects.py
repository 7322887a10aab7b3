"""What functions and the dag-processor have written: state of fleets, releases, reports."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from contracts.dag_bucket import RELEASE_PREFIX
from contracts.release_manifest import ReleasePointer, pointer_key
from contracts.release_reports import (
    ExclusionReport,
    ImportErrorReport,
    exclusions_key,
    import_errors_key,
    in_use_key,
)
from contracts.upgrade_notes import QUIESCED_KEY, QuiescedNote
from contracts.wake_up import QUEUE_COUNTS_KEY, QueueCount, QueueCounts
from doctor.ports import FleetMemory, Pause, QueueState, ReleaseState
from shared.aws.named_errors import named_errors
from shared.errors import AwsCallError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class NoSuchObjectError(AwsCallError):
    """The object does not exist."""


class _Bucket:
    def __init__(self, client: "S3Client", name: str) -> None:
        self._client = client
        self._name = name

    def read(self, key: str) -> tuple[bytes, datetime] | None:
        """Content and time of the object; None if there is none."""
        try:
            with named_errors(f"read {key}", {"NoSuchKey": NoSuchObjectError}):
                found = self._client.get_object(Bucket=self._name, Key=key)
                return found["Body"].read(), found["LastModified"]
        except NoSuchObjectError:
            return None


class S3State:
    def __init__(self, client: "S3Client", bucket: str) -> None:
        self._bucket = _Bucket(client, bucket)

    def fleet(self, queue: str) -> FleetMemory:
        found = self._bucket.read(f"fleet/{queue}/state.json")
        if found is None:
            return FleetMemory()
        try:
            state: dict[str, Any] = json.loads(found[0])
            deaths = tuple(
                datetime.fromtimestamp(float(death), UTC) for death in state.get("deaths", ())
            )
            return FleetMemory(paused=bool(state.get("paused")), deaths=deaths)
        except (ValueError, TypeError, AttributeError):
            # The scaler starts with an empty state in its place.
            return FleetMemory()

    def pause(self) -> Pause | None:
        found = self._bucket.read(QUIESCED_KEY)
        if found is None:
            return None
        body, written = found
        return Pause(len(QuiescedNote.from_bytes(body).counts), written)


class S3QueueCounts:
    """The queues in Valkey, as the scheduler has counted their messages."""

    def __init__(self, client: "S3Client", bucket: str, now: Callable[[], datetime]) -> None:
        self._bucket = _Bucket(client, bucket)
        self._now = now

    def state(self, name: str) -> QueueState:
        count = self._count(name)
        return QueueState(
            name, exists=True, waiting=count.waiting, running=count.held, visibility_seconds=None
        )

    def _count(self, name: str) -> QueueCount:
        found = self._bucket.read(QUEUE_COUNTS_KEY)
        if found is None:
            return QueueCount()
        try:
            counts = QueueCounts.from_bytes(found[0])
        except ValueError:
            # The scheduler writes others in their place.
            return QueueCount()
        return counts.of_queue(name, self._now().timestamp())


class S3Releases:
    def __init__(self, client: "S3Client", bucket: str) -> None:
        self._bucket = _Bucket(client, bucket)

    def current(self) -> ReleaseState:
        pointer = self._bucket.read(pointer_key(RELEASE_PREFIX))
        if pointer is None:
            return ReleaseState(None)
        release = ReleasePointer.from_bytes(pointer[0]).release
        in_use = self._bucket.read(in_use_key(RELEASE_PREFIX))
        errors = self._bucket.read(import_errors_key(RELEASE_PREFIX, release))
        excluded = self._bucket.read(exclusions_key(RELEASE_PREFIX, release))
        report = ImportErrorReport.from_bytes(errors[0]) if errors else None
        return ReleaseState(
            release=release,
            reported_at=in_use[1] if in_use else None,
            import_errors=report.total if report else 0,
            first_error=report.failures[0].path if report and report.failures else "",
            exclusions=len(ExclusionReport.from_bytes(excluded[0]).exclusions) if excluded else 0,
        )
