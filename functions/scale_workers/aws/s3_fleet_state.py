"""A fleet's state and the scheduler's forecast: two S3 objects in JSON."""

import json
from typing import TYPE_CHECKING, Any

from contracts.forecast import KEY as FORECAST_KEY
from contracts.forecast import PublishedForecast
from scale_workers.fleet_state import FleetState
from scale_workers.foresight import NO_FORECAST, Forecast
from scale_workers.ports import StateConflictError
from shared.aws.named_errors import named_errors
from shared.errors import AwsCallError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class NoSuchObjectError(AwsCallError):
    """The object does not exist yet."""


class _OutdatedError(AwsCallError):
    """The object has changed since it was read."""


class S3FleetState:
    """Written only in place of the version that was read: one of two writers is refused."""

    def __init__(self, client: "S3Client", bucket: str, queue: str) -> None:
        self._client = client
        self._bucket = bucket
        self._key = f"fleet/{queue}/state.json"

    def load(self) -> tuple[FleetState, str | None]:
        try:
            body, version = _read(self._client, self._bucket, self._key)
        except NoSuchObjectError:
            return FleetState(), None
        try:
            return FleetState.from_json(json.loads(body)), version
        except (ValueError, TypeError, KeyError, AttributeError):
            # Damaged: start with an empty state, which replaces it.
            return FleetState(), version

    def save(self, state: FleetState, version: str | None) -> str:
        condition: dict[str, Any] = {"IfMatch": version} if version else {"IfNoneMatch": "*"}
        # S3 answers 409 to one of two writers at the same moment, and 404 if the version to match
        # has been deleted.
        codes = ("PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey")
        outdated: dict[str, type[AwsCallError]] = dict.fromkeys(codes, _OutdatedError)
        try:
            with named_errors("store the fleet's state", outdated):
                response = self._client.put_object(
                    Bucket=self._bucket,
                    Key=self._key,
                    Body=json.dumps(state.to_json()).encode(),
                    **condition,
                )
        except _OutdatedError as error:
            raise StateConflictError(str(error)) from error
        return str(response["ETag"])


class S3Forecasts:
    def __init__(self, client: "S3Client", bucket: str, queue: str) -> None:
        self._client = client
        self._bucket = bucket
        self._queue = queue

    def get(self) -> Forecast:
        """A missing or unreadable forecast counts as an empty one."""
        try:
            body, _ = _read(self._client, self._bucket, FORECAST_KEY)
            return Forecast.of_queue(PublishedForecast.from_bytes(body), self._queue)
        except (NoSuchObjectError, ValueError):
            return NO_FORECAST


def _read(client: "S3Client", bucket: str, key: str) -> tuple[bytes, str]:
    with named_errors(f"read {key}", {"NoSuchKey": NoSuchObjectError}):
        response = client.get_object(Bucket=bucket, Key=key)
        return response["Body"].read(), str(response["ETag"])
