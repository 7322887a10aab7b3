"""An in-memory versioned bucket for the S3 requests of functions and image, with injected
faults."""

import hashlib
import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import RLock
from typing import Any

from botocore.exceptions import ClientError

BUCKET = "dags"
START = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


class Clock:
    """Time that only passes in `sleep`."""

    def __init__(self) -> None:
        self.moment = START
        self.while_asleep: list[Callable[[], object]] = []

    def now(self) -> datetime:
        return self.moment

    def sleep(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)
        if self.while_asleep:
            self.while_asleep.pop(0)()


@dataclass(frozen=True)
class Version:
    number: int
    data: bytes | None
    moment: datetime
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def etag(self) -> str:
        return f'"{hashlib.md5(self.data or b"", usedforsecurity=False).hexdigest()}"'


class InMemoryS3:
    """Has the interface of boto3's client. `fault` is called before and after each request and may
    raise."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock = clock or Clock()
        self.objects: dict[str, list[Version]] = {}
        self.requests: list[tuple[str, str]] = []
        self.fault: Callable[[str, str, str], object] = lambda when, operation, key: None
        self._lock = RLock()
        self._count = 0

    def put(self, key: str, data: bytes, metadata: Mapping[str, str] | None = None) -> None:
        """Put an object from outside: neither counted as a request nor affected by faults."""
        with self._lock:
            self._count += 1
            version = Version(self._count, data, self.clock.now(), metadata or {})
            self.objects.setdefault(key, []).append(version)

    def delete(self, key: str) -> None:
        with self._lock:
            self._count += 1
            # S3 writes a delete marker even for an object that never existed.
            versions = self.objects.setdefault(key, [])
            versions.append(Version(self._count, None, self.clock.now()))

    def keys(self, prefix: str = "") -> list[str]:
        return sorted(
            k for k, v in self.objects.items() if k.startswith(prefix) and v[-1].data is not None
        )

    def data(self, key: str) -> bytes:
        data = self.objects[key][-1].data
        assert data is not None
        return data

    def get_object(
        self, *, Bucket: str, Key: str, VersionId: str | None = None,
        IfMatch: str | None = None, IfNoneMatch: str | None = None, Range: str = "bytes=0-",
    ) -> dict[str, Any]:  # fmt: skip
        def answer() -> dict[str, Any]:
            if Bucket != BUCKET:
                raise error("NoSuchBucket", 404)
            found = self._version(Key, VersionId)
            if IfMatch and IfMatch != found.etag:
                raise error("PreconditionFailed", 412)
            if IfNoneMatch == found.etag:
                raise error("304", 304)
            return {
                "Body": io.BytesIO((found.data or b"")[_range(Range)]),
                "ETag": found.etag,
                "LastModified": found.moment,
                "Metadata": dict(found.metadata),
                **self._date(),
            }

        return self._request("get", Key, answer)

    def put_object(
        self, *, Bucket: str, Key: str, Body: bytes, ContentType: str = "",
        IfMatch: str | None = None, IfNoneMatch: str | None = None,
        Metadata: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:  # fmt: skip
        def answer() -> dict[str, Any]:
            versions = self.objects.get(Key, [])
            exists = bool(versions) and versions[-1].data is not None
            if IfNoneMatch == "*" and exists:
                raise error("PreconditionFailed", 412)
            if IfMatch and not exists:
                raise error("NoSuchKey", 404)
            if IfMatch and versions[-1].etag != IfMatch:
                raise error("PreconditionFailed", 412)
            self.put(Key, Body, Metadata)
            return {"ETag": self.objects[Key][-1].etag}

        return self._request("put", Key, answer)

    def head_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:
        def answer() -> dict[str, Any]:
            found = self._version(Key, None)
            return {"ETag": found.etag, "LastModified": found.moment}

        return self._request("head", Key, answer)

    def delete_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:
        def answer() -> dict[str, Any]:
            self.delete(Key)
            return {}

        return self._request("delete", Key, answer)

    def list_object_versions(self, *, Bucket: str, Prefix: str, MaxKeys: int) -> dict[str, Any]:
        def answer() -> dict[str, Any]:
            versions = [
                {"Key": key, "VersionId": str(version.number), "LastModified": version.moment}
                for key in sorted(self.objects)
                if key.startswith(Prefix)
                for version in reversed(self.objects[key])
                if version.data is not None
            ]
            return {"Versions": versions[:MaxKeys]}

        return self._request("list", Prefix, answer)

    def list_objects_v2(self, *, Bucket: str, Prefix: str, MaxKeys: int) -> dict[str, Any]:
        def answer() -> dict[str, Any]:
            return {**self._page(self.keys(Prefix)[:MaxKeys]), **self._date()}

        return self._request("list", Prefix, answer)

    def _date(self) -> dict[str, Any]:
        date = f"{self.clock.now():%a, %d %b %Y %H:%M:%S GMT}"
        return {"ResponseMetadata": {"HTTPHeaders": {"date": date}}}

    def get_paginator(self, operation: str) -> "InMemoryS3":
        assert operation == "list_objects_v2"
        return self

    def paginate(self, *, Bucket: str, Prefix: str) -> Iterator[dict[str, Any]]:
        keys = self.keys(Prefix)
        for start in range(0, len(keys) or 1, 1000):
            yield self._request("list", Prefix, lambda start=start: self._page(keys[start:][:1000]))

    def _page(self, keys: list[str]) -> dict[str, Any]:
        latest = {key: self.objects[key][-1] for key in keys}
        return {
            "Contents": [
                {"Key": k, "ETag": v.etag, "Size": len(v.data or b""), "LastModified": v.moment}
                for k, v in latest.items()
                if v.data is not None
            ]
        }

    def _version(self, key: str, number: str | None) -> Version:
        versions = self.objects.get(key, [])
        if number:
            return next(each for each in versions if each.number == int(number))
        if not versions or versions[-1].data is None:
            raise error("NoSuchKey", 404)
        return versions[-1]

    def _request(self, operation: str, key: str, answer: Callable[[], Any]) -> Any:
        # Outside the lock: a fault may be another publisher with threads.
        self.requests.append((operation, key))
        self.fault("before", operation, key)
        with self._lock:
            answered = answer()
        self.fault("after", operation, key)
        return answered


def _range(text: str) -> slice:
    first, _, last = text.removeprefix("bytes=").partition("-")
    return slice(int(first), int(last) + 1 if last else None)


def error(code: str, status: int) -> ClientError:
    return ClientError(
        {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "Request"
    )
