"""What publishing needs of the bucket."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from contracts.release_manifest import Archive, ReleaseManifest, ReleasePointer


class SourceChangedError(Exception):
    """A file changed between listing and reading: start over."""


class ConcurrentReleaseError(Exception):
    """Somebody else has published meanwhile: start over."""


class NoSuchReleaseError(Exception):
    """A release that was asked for is not kept, or never was."""


@dataclass(frozen=True)
class SourceFile:
    """A file by its path in the DAGs folder; `etag` changes when its content does."""

    path: str
    etag: str
    size: int


@dataclass(frozen=True)
class SourceListing:
    """All files at one moment, a mark that changes when any of them does, and the last change.

    Deletions leave no trace in `changed_at`.
    """

    files: Sequence[SourceFile]
    mark: str
    changed_at: datetime | None = None


@dataclass(frozen=True)
class Upload:
    """The newest zip: `mark` changes when another takes its place."""

    key: str
    mark: str
    size: int
    changed_at: datetime
    refused: bool


@dataclass(frozen=True)
class CurrentPointer:
    """The pointer, and the mark that a conditional write compares."""

    pointer: ReleasePointer
    mark: str


@dataclass(frozen=True)
class Inventory:
    """What is stored of releases, with the moments of storing; all moments are the store's own."""

    releases: Mapping[str, datetime]
    archives: Mapping[str, datetime]
    now: datetime


@dataclass(frozen=True)
class UseReported:
    """When the report was stored, and what it says."""

    at: datetime
    releases: Mapping[str, datetime | None]


@dataclass(frozen=True)
class StoredRelease:
    """A release's manifest and the files that travel with it, by hash."""

    manifest: ReleaseManifest
    delta: Mapping[str, bytes]


class DagSource(Protocol):
    """Where the files of a release come from: the folder, or a zip."""

    def list(self) -> SourceListing: ...

    def read(self, file: SourceFile) -> bytes:
        """The bytes that were listed; SourceChangedError when they are gone."""


class Inbox(Protocol):
    def newest(self) -> Upload | None: ...

    def read(self, upload: Upload) -> bytes: ...

    def report_refusal(self, upload: Upload, report: Mapping[str, Any]) -> None:
        """Leave the reasons beside the zip, which thereby counts as refused."""


class ReleaseStore(Protocol):
    def pointer(self) -> CurrentPointer | None: ...

    def release(self, release: str) -> StoredRelease:
        """NoSuchReleaseError when there is none that can be read."""

    def archive(self, archive: Archive) -> Iterator[tuple[str, bytes]]:
        """The archive's files by hash."""

    def add_archive(self, name: str, blobs: Mapping[str, bytes]) -> None: ...

    def add(self, release: StoredRelease) -> None: ...

    def point_to(self, pointer: ReleasePointer, mark: str | None) -> None:
        """Move the pointer, if it is still the marked one; ConcurrentReleaseError otherwise."""

    def pointers(self, count: int) -> Iterator[ReleasePointer]:
        """The last pointers, the newest first; each is read when it is asked for."""

    def environment(self) -> frozenset[str] | None:
        """The packages that can be imported where DAGs run; None if that is not known."""

    def kept(self) -> frozenset[str]:
        """The releases that can become current."""

    def refused_folder(self) -> str | None:
        """The mark of the folder that was refused last, while that stands."""

    def report_refusal(self, report: Mapping[str, Any]) -> None: ...

    def clear_refusal(self) -> None: ...


class ReleaseShelf(Protocol):
    """The same store, for whoever takes old releases away."""

    def inventory(self) -> Inventory: ...

    def in_use(self) -> UseReported | None:
        """What Airflow last reported; None when nothing that can be understood."""

    def current_since(self, moment: datetime) -> frozenset[str] | None:
        """What was current at that moment and since; None when too much has happened to tell."""

    def archive_of(self, release: str) -> str | None:
        """The archive that a release needs; NoSuchReleaseError when that cannot be told."""

    def remove_release(self, release: str) -> None: ...

    def remove_archive(self, name: str) -> None: ...
