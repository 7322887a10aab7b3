"""What publishing needs of the bucket."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from shared.release_manifest import ReleaseManifest, ReleasePointer


class SourceChangedError(Exception):
    """A file changed between listing and reading: start over."""


class ConcurrentReleaseError(Exception):
    """Somebody else has published meanwhile: start over."""


@dataclass(frozen=True)
class SourceFile:
    """The current version of a file, by its path in the DAGs folder."""

    path: str
    key: str
    version_id: str


@dataclass(frozen=True)
class SourceListing:
    """The DAGs folder at one moment. `changes` says when each version, deletions included, came."""

    files: Sequence[SourceFile]
    changes: Mapping[str, datetime]

    def is_superseded(self, version_id: str) -> bool:
        """Whether something changed after this version; no for a version that is gone."""
        moment = self.changes.get(version_id)
        return moment is not None and any(other > moment for other in self.changes.values())


@dataclass(frozen=True)
class CurrentRelease:
    """The pointer, the mark that a conditional write compares, and what it points to."""

    pointer: ReleasePointer
    mark: str
    manifest: ReleaseManifest | None


class DagSource(Protocol):
    def list(self) -> SourceListing: ...

    def read(self, file: SourceFile) -> Iterator[bytes]:
        """The bytes of exactly this version; SourceChangedError when it is gone."""


class ReleaseStore(Protocol):
    def current(self) -> CurrentRelease | None: ...

    def add(self, manifest: ReleaseManifest) -> None:
        """Store a new release's manifest."""

    def refresh(self, manifest: ReleaseManifest) -> None:
        """Store again the manifest of a release whose bytes lie in other object versions."""

    def point_to(self, pointer: ReleasePointer, mark: str | None) -> None:
        """Move the pointer, if it is still the marked one; ConcurrentReleaseError otherwise."""

    def report_refusal(self, report: Mapping[str, Any]) -> None: ...

    def clear_refusal(self) -> None: ...
