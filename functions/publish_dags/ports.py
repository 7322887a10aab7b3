"""What publishing needs from the bucket."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from contracts.release_manifest import Archive, ReleaseManifest, ReleasePointer, printable
from publish_dags.checks.problems import Problem


class SourceChangedError(Exception):
    """A file changed between listing and reading: try again from the start."""


class ConcurrentReleaseError(Exception):
    """Another call has published in the meantime: try again from the start."""


class NoSuchReleaseError(Exception):
    """The release is no longer kept, or never existed."""


@dataclass(frozen=True)
class SourceFile:
    """A file and its path in the DAGs folder. `etag` changes when its content changes."""

    path: str
    etag: str
    size: int


@dataclass(frozen=True)
class SourceListing:
    """All files at one moment, a mark that changes when any of them changes, and the last change.

    `changed_at` does not show deletions. `problems` are about files that cannot be read at all.
    `prefix` is what the user sees in front of each path.
    """

    files: Sequence[SourceFile]
    mark: str
    changed_at: datetime | None = None
    problems: Sequence[Problem] = ()
    prefix: str = ""

    def shown(self, path: str) -> str:
        """The path as the user sees it."""
        return printable(f"{self.prefix}{path}")


@dataclass(frozen=True)
class Upload:
    """The newest zip file. `mark` changes when another replaces it."""

    key: str
    mark: str
    size: int
    changed_at: datetime
    refused: bool


@dataclass(frozen=True)
class UploadContent:
    """A zip file's bytes, and what its pipeline says about it."""

    data: bytes
    origin: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class CurrentPointer:
    """The pointer, and the mark to which a conditional write compares it."""

    pointer: ReleasePointer
    mark: str


@dataclass(frozen=True)
class Inventory:
    """The stored releases and archives with their times. All times are the store's own."""

    releases: Mapping[str, datetime]
    archives: Mapping[str, datetime]
    now: datetime


@dataclass(frozen=True)
class UseReported:
    """The report of releases in use, and when it was stored."""

    at: datetime
    releases: Mapping[str, datetime | None]


@dataclass(frozen=True)
class StoredRelease:
    """A release's manifest, and the files that are stored with it, by hash."""

    manifest: ReleaseManifest
    delta: Mapping[str, bytes]


class DagSource(Protocol):
    """The source of a release's files: the folder, or a zip file."""

    def list(self) -> SourceListing: ...

    def read(self, file: SourceFile) -> bytes:
        """The content that was listed; SourceChangedError if it has changed."""


class Inbox(Protocol):
    def newest(self) -> Upload | None: ...

    def read(self, upload: Upload) -> UploadContent: ...

    def report_refusal(self, upload: Upload, report: Mapping[str, Any]) -> None:
        """Write the reasons beside the zip file, which marks it as refused."""


class ReleaseStore(Protocol):
    def pointer(self) -> CurrentPointer | None: ...

    def release(self, release: str) -> StoredRelease:
        """NoSuchReleaseError if it does not exist or cannot be read."""

    def archive(self, archive: Archive) -> Iterator[tuple[str, bytes]]:
        """The archive's files by hash."""

    def add_archive(self, name: str, blobs: Mapping[str, bytes]) -> None: ...

    def add(self, release: StoredRelease) -> None: ...

    def point_to(self, pointer: ReleasePointer, mark: str | None) -> None:
        """Replace the pointer if it still has this mark; ConcurrentReleaseError otherwise."""

    def pointers(self, count: int) -> Iterator[ReleasePointer]:
        """The last pointers, the newest first. Each is read only when it is needed."""

    def environment(self) -> frozenset[str] | None:
        """The packages that can be imported where DAGs run; None if unknown."""

    def kept(self) -> frozenset[str]:
        """The releases that can become current."""

    def refused_folder(self) -> str | None:
        """The mark of the folder that was refused last; None if that was cleared."""

    def report_refusal(self, report: Mapping[str, Any]) -> None: ...

    def clear_refusal(self) -> None: ...


class ReleaseShelf(Protocol):
    """The same store, for removing old releases."""

    def inventory(self) -> Inventory: ...

    def in_use(self) -> UseReported | None:
        """Airflow's last report; None if there is none, or it cannot be read."""

    def current_since(self, moment: datetime) -> frozenset[str] | None:
        """The releases that were current at that moment and since; None if there are too many."""

    def archive_of(self, release: str) -> str | None:
        """The archive that a release needs; NoSuchReleaseError if that is unknown."""

    def remove_release(self, release: str) -> None: ...

    def remove_archive(self, name: str) -> None: ...
