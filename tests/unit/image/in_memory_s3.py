"""An in-memory stand-in for the few S3 calls that the image makes."""

import hashlib
import io
from datetime import UTC, datetime
from threading import Lock
from typing import Any

from botocore.exceptions import ClientError

from airflow_on_fargate.release_manifest import (
    ReleaseFile,
    ReleaseManifest,
    ReleasePointer,
    content_hash,
    manifest_key,
    pointer_key,
    release_id,
)

BUCKET = "dags"
PREFIX = "releases/"


class InMemoryS3:
    """Versioned objects of one bucket; counts requests and can be made to fail."""

    def __init__(self) -> None:
        self.versions: dict[str, list[bytes]] = {}
        self.requests: list[str] = []
        self.failure: str | None = None
        self._lock = Lock()

    def put(self, key: str, data: bytes) -> str:
        self.versions.setdefault(key, []).append(data)
        return str(len(self.versions[key]) - 1)

    def get_object(
        self, *, Bucket: str, Key: str, VersionId: str | None = None, IfNoneMatch: str | None = None
    ) -> dict[str, Any]:
        with self._lock:
            self.requests.append(Key)
        if self.failure:
            raise _error(self.failure, 503)
        if Bucket != BUCKET:
            raise _error("NoSuchBucket", 404)
        if Key not in self.versions:
            raise _error("NoSuchKey", 404)
        data = self.versions[Key][int(VersionId) if VersionId else -1]
        etag = f'"{hashlib.md5(data, usedforsecurity=False).hexdigest()}"'
        if IfNoneMatch == etag:
            raise _error("304", 304)
        return {"Body": io.BytesIO(data), "ETag": etag}


def _error(code: str, status: int) -> ClientError:
    return ClientError(
        {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "GetObject"
    )


class Publisher:
    """Publishes releases the way `publish_dags` does, in the format that both share."""

    def __init__(self, s3: InMemoryS3) -> None:
        self.s3 = s3
        self._second = 0

    def publish(self, files: dict[str, str]) -> str:
        entries = {}
        for path, text in files.items():
            data = text.encode()
            version = self.s3.put(f"dags/{path}", data)
            digest = hashlib.sha256(data).hexdigest()
            entries[path] = ReleaseFile(f"dags/{path}", version, digest, len(data))
        self._second += 1
        moment = datetime(2026, 1, 1, 0, 0, self._second, tzinfo=UTC)
        release = release_id(
            moment, content_hash({path: entry.sha256 for path, entry in entries.items()})
        )
        self.s3.put(manifest_key(PREFIX, release), ReleaseManifest(release, entries).to_bytes())
        self.point_at(release)
        return release

    def point_at(self, release: str) -> None:
        self.s3.put(pointer_key(PREFIX), ReleasePointer(release, "2026-01-01T00:00:00Z").to_bytes())
