"""Publish a folder with the publisher's own code, to a store in memory: what would it say?

It runs with the interpreter of the image, with the publisher's packages on PYTHONPATH, and reads a
request from standard input:

    {"zip": the file as it would be uploaded, "packages": importable names or null,
     "queues": […], "isolated_queues": […], "dag_releases": JSON, "result": file for the answer}
"""

import json
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from contracts.release_manifest import Archive, ReleasePointer
from publish_dags.checks.limits import Limits
from publish_dags.ports import (
    CurrentPointer,
    SourceFile,
    SourceListing,
    StoredRelease,
    Upload,
    UploadContent,
)
from publish_dags.publisher import Publisher
from shared.dag_releases import read_dag_releases

_KEY = "inbox/release.zip"


class EmptyFolder:
    """The folder dags/ of the bucket, in which nothing is."""

    def list(self) -> SourceListing:
        return SourceListing([], "")

    def read(self, file: SourceFile) -> bytes:
        raise FileNotFoundError(file.path)


class OneUpload:
    """The inbox with one zip file."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.report: Mapping[str, Any] = {}

    def newest(self) -> Upload:
        return Upload(_KEY, _KEY, len(self.data), datetime.now(UTC), refused=False)

    def read(self, upload: Upload) -> UploadContent:
        return UploadContent(self.data)

    def report_refusal(self, upload: Upload, report: Mapping[str, Any]) -> None:
        self.report = report


class StoreInMemory:
    """No release yet, and nothing is kept longer than this process."""

    def __init__(self, packages: frozenset[str] | None) -> None:
        self.packages = packages
        self.added: list[StoredRelease] = []

    def pointer(self) -> CurrentPointer | None:
        return None

    def release(self, release: str) -> StoredRelease:
        return next(each for each in self.added if each.manifest.release == release)

    def archive(self, archive: Archive) -> Iterator[tuple[str, bytes]]:
        return iter(())

    def add_archive(self, name: str, blobs: Mapping[str, bytes]) -> None: ...

    def add(self, release: StoredRelease) -> None:
        self.added.append(release)

    def point_to(self, pointer: ReleasePointer, mark: str | None) -> None: ...

    def pointers(self, count: int) -> Iterator[ReleasePointer]:
        return iter(())

    def environment(self) -> frozenset[str] | None:
        return self.packages

    def kept(self) -> frozenset[str]:
        return frozenset()

    def refused_folder(self) -> str | None:
        return None

    def report_refusal(self, report: Mapping[str, Any]) -> None: ...

    def clear_refusal(self) -> None: ...


def main() -> None:
    request = json.load(sys.stdin)
    settings, problems = read_dag_releases(request["dag_releases"])
    if problems:
        sys.exit(" ".join(problems))
    data = Path(request["zip"]).read_bytes()
    answer: dict[str, Any] = {"problems": [], "warnings": []}
    # Strict first: it refuses for everything that cannot be in a release. Then what is only odd.
    for strict in (True, False):
        store = StoreInMemory(importable())
        inbox = OneUpload(data)
        publication = Publisher(
            source=EmptyFolder(),
            inbox=inbox,
            releases=store,
            limits=Limits.of_mib(settings.max_files, settings.max_mib),
            now=lambda: datetime.now(UTC),
            strict=strict,
            queues=tuple(request["queues"]),
            isolated_queues=tuple(request["isolated_queues"]),
        ).publish("check-dags")
        if inbox.report:
            answer["problems"] = inbox.report["problems"]
            continue
        answer["warnings"] = [each.as_document() for each in publication.warnings]
        if store.added:
            manifest = store.added[-1].manifest
            answer |= {"files": len(manifest.files), "content": manifest.content_hash}
    Path(request["result"]).write_text(json.dumps(answer))


def importable() -> frozenset[str] | None:
    """The packages of this environment as the dag-processor of the image reports them."""
    try:
        from airflow_on_fargate.releases.watch import (  # type: ignore[import-not-found,unused-ignore]
            importable_packages,
        )
    except ImportError:
        return None
    names: frozenset[str] = importable_packages()
    return names


if __name__ == "__main__":
    main()
