"""The publisher with its real adapters, on an in-memory bucket."""

import gzip
import io
import json
import zipfile
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from in_memory_s3 import BUCKET, InMemoryS3

from contracts.release_reports import InUseReport, in_use_key
from publish_dags.aws.s3_dag_source import S3DagSource
from publish_dags.aws.s3_inbox import S3Inbox
from publish_dags.aws.s3_release_shelf import S3ReleaseShelf
from publish_dags.aws.s3_release_store import S3ReleaseStore
from publish_dags.checks.limits import Limits
from publish_dags.history.retention import Retention
from publish_dags.publisher import Publication, Publisher

RELEASES = "releases/"
LIMITS = Limits(files=20_000, total_bytes=64 * 1024 * 1024)


def dag(dag_id: str, text: str = "") -> bytes:
    return f'from airflow.sdk import DAG\n{text}\ndag = DAG("{dag_id}")\n'.encode()


def broken(line: int = 2) -> bytes:
    """A DAG file that does not compile."""
    return b"from airflow.sdk import DAG\n" + b"\n" * (line - 2) + b"def f(:\n"


def zipped(files: dict[str, bytes]) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in files.items():
            archive.writestr(path, content)
    return data.getvalue()


class DagFolder:
    """A bucket and publishers of its content."""

    def __init__(
        self,
        s3: InMemoryS3 | None = None,
        limits: Limits = LIMITS,
        strict: bool = False,
        queues: tuple[str, ...] = ("default",),
    ) -> None:
        self.s3 = s3 or InMemoryS3()
        self.strict = strict
        self.limits = limits
        self.queues = queues

    def publisher(self) -> Publisher:
        """A new publisher, as in another execution environment."""
        client: Any = self.s3
        return Publisher(
            source=S3DagSource(client, BUCKET, "dags/"),
            inbox=S3Inbox(client, BUCKET, "inbox/"),
            releases=S3ReleaseStore(client, BUCKET, RELEASES),
            limits=self.limits,
            now=self.s3.clock.now,
            strict=self.strict,
            queues=self.queues,
        )

    def retention(self, count: int = 2, days: int = 30) -> Retention:
        client: Any = self.s3
        shelf = S3ReleaseShelf(client, BUCKET, RELEASES)
        return Retention(shelf, shelf, count, days)

    def report_use(self, releases: dict[str, datetime | None] | None = None) -> None:
        """Write the report of the dag-processor, as of now."""
        self.s3.put(in_use_key(RELEASES), InUseReport(releases or {}).to_bytes())

    def publish(self, files: dict[str, bytes | str | None] | None = None) -> Publication:
        """Change files (None deletes), a minute later, and publish."""
        self.change(files or {})
        return self.publisher().publish()

    def change(self, files: dict[str, bytes | str | None]) -> None:
        self.s3.clock.sleep(60)
        for path, data in files.items():
            if data is None:
                self.s3.delete(f"dags/{path}")
            else:
                self.s3.put(f"dags/{path}", data.encode() if isinstance(data, str) else data)

    def become(self, files: dict[str, str]) -> str:
        """Make the folder exactly this, publish, and return the release."""
        gone = {key.removeprefix("dags/"): None for key in self.s3.keys("dags/")}
        publication = self.publish({**gone, **files})
        assert publication.release is not None, publication
        return publication.release

    def upload(
        self,
        files: dict[str, bytes],
        name: str = "dags.zip",
        origin: Mapping[str, str] | None = None,
    ) -> None:
        self.s3.clock.sleep(60)
        self.s3.put(f"inbox/{name}", zipped(files), origin)

    @property
    def pointer(self) -> dict[str, Any]:
        return json.loads(self.s3.data(f"{RELEASES}current.json"))

    def manifest(self, release: str) -> dict[str, Any]:
        data = self.s3.data(f"{RELEASES}{release}.gz")
        return json.loads(gzip.decompress(data).split(b"\n", 1)[0])

    @property
    def current_files(self) -> dict[str, bytes]:
        """Paths and bytes of the current release, as a reader with an empty disk gets them."""
        releases = self.publisher().releases
        pointer = releases.pointer()
        assert pointer is not None
        stored = releases.release(pointer.pointer.release)
        blobs = dict(stored.delta)
        if stored.manifest.archive:
            blobs |= dict(releases.archive(stored.manifest.archive))
        return {path: blobs[file.sha256] for path, file in stored.manifest.files.items()}

    @property
    def exclusions(self) -> dict[str, str]:
        """The report of the current release: what stays out, and why."""
        release = self.pointer["release"]
        key = f"{RELEASES}{release}.exclusions.json"
        if not self.s3.keys(key):
            return {}
        return {each["path"]: each["reason"] for each in self.report(key)["exclusions"]}

    def report(self, key: str = f"{RELEASES}refused.json") -> dict[str, Any]:
        return json.loads(self.s3.data(key))
