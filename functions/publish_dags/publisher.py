"""Publish a release of the DAGs folder as it is now.

A release is all of the folder or nothing: one file that cannot be part of it refuses the whole, and
the release before stays current. Everything is written before the pointer moves, and the pointer
moves only if it is still the one that was read, so publishers may run side by side.
"""

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from publish_dags.ports import (
    ConcurrentReleaseError,
    CurrentRelease,
    DagSource,
    ReleaseStore,
    SourceChangedError,
    SourceFile,
    SourceListing,
)
from publish_dags.validation import (
    Problem,
    compile_problem,
    is_python,
    without_syntax_warnings,
)
from shared.release_manifest import (
    ReleaseFile,
    ReleaseManifest,
    ReleasePointer,
    path_problems,
    release_id,
)

_ATTEMPTS = 5
_PARALLEL_READS = 16

# How long nothing must have changed before a change is published. Within a burst each change finds
# a later one and leaves the publishing to it.
QUIET_SECONDS = 2.0


class PublishingContendedError(Exception):
    """The folder, or the current release, changed during every attempt."""


class Outcome(StrEnum):
    PUBLISHED = "published"
    UNCHANGED = "unchanged"
    REFUSED = "refused"
    SUPERSEDED = "superseded"


@dataclass(frozen=True)
class Publication:
    """What an attempt to publish has come to. `release` is the current one afterwards."""

    outcome: Outcome
    release: str | None = None
    files: int = 0
    files_read: int = 0
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True)
class Publisher:
    source: DagSource
    releases: ReleaseStore
    now: Callable[[], datetime]
    sleep: Callable[[float], None]

    def publish_change(self, version_id: str | None) -> Publication:
        """Publish because of one change, unless a later change will."""
        if version_id is not None:
            if self.source.list().is_superseded(version_id):
                return Publication(Outcome.SUPERSEDED)
            self.sleep(QUIET_SECONDS)
            if self.source.list().is_superseded(version_id):
                return Publication(Outcome.SUPERSEDED)
        return self.publish()

    def publish(self) -> Publication:
        for _ in range(_ATTEMPTS):
            try:
                return self._attempt(self.releases.current(), self.source.list())
            except (SourceChangedError, ConcurrentReleaseError):
                continue
        raise PublishingContendedError(
            f"Something changed during each of {_ATTEMPTS} attempts to publish"
        )

    def _attempt(self, current: CurrentRelease | None, listing: SourceListing) -> Publication:
        files, problems, files_read = self._examine(current, listing)
        if problems:
            self._report(current, problems)
            return Publication(
                Outcome.REFUSED,
                release=current.pointer.release if current else None,
                files=len(listing.files),
                files_read=files_read,
                problems=problems,
            )
        moment = self.now()
        manifest = ReleaseManifest(release="", files=files)
        if current and current.manifest and current.manifest.content_hash == manifest.content_hash:
            release = current.pointer.release
            if current.manifest.files != files:
                # The same bytes were uploaded again. Object versions that nothing names any more
                # are removed in time, so the release must name those that stay.
                self.releases.refresh(ReleaseManifest(release, files))
            outcome = Outcome.UNCHANGED
        else:
            release = release_id(moment, manifest.content_hash)
            self.releases.add(ReleaseManifest(release, files))
            pointer = ReleasePointer(release, moment.isoformat(timespec="seconds"))
            self.releases.point_to(pointer, current.mark if current else None)
            outcome = Outcome.PUBLISHED
        self.releases.clear_refusal()
        return Publication(outcome, release, files=len(files), files_read=files_read)

    def _examine(
        self, current: CurrentRelease | None, listing: SourceListing
    ) -> tuple[dict[str, ReleaseFile], tuple[Problem, ...], int]:
        """Each file's entry in the manifest; only versions that are new are read."""
        known = {
            (file.key, file.version_id): file
            for file in (current.manifest.files.values() if current and current.manifest else ())
        }
        bad_paths = path_problems({file.path: file for file in listing.files})
        files: dict[str, ReleaseFile] = {}
        problems = [Problem(path, f"the path {reason}") for path, reason in bad_paths.items()]
        unknown = []
        for file in listing.files:
            if entry := known.get((file.key, file.version_id)):
                files[file.path] = entry
            elif file.path not in bad_paths:
                unknown.append(file)
        with without_syntax_warnings(), ThreadPoolExecutor(_PARALLEL_READS) as pool:
            for file, (entry, problem) in zip(unknown, pool.map(self._read, unknown), strict=True):
                files[file.path] = entry
                if problem:
                    problems.append(problem)
        return files, tuple(sorted(problems, key=lambda each: each.path)), len(unknown)

    def _read(self, file: SourceFile) -> tuple[ReleaseFile, Problem | None]:
        digest = hashlib.sha256()
        size = 0
        kept = bytearray()
        for block in self.source.read(file):
            digest.update(block)
            size += len(block)
            if is_python(file.path):
                kept += block
        entry = ReleaseFile(file.key, file.version_id, digest.hexdigest(), size)
        problem = compile_problem(file.path, bytes(kept)) if is_python(file.path) else None
        return entry, problem

    def _report(self, current: CurrentRelease | None, problems: tuple[Problem, ...]) -> None:
        self.releases.report_refusal(
            {
                "schema": 1,
                "refused_at": self.now().isoformat(timespec="seconds"),
                "current_release": current.pointer.release if current else None,
                "problems": [
                    {"path": each.path, "line": each.line, "reason": each.reason}
                    for each in problems
                ],
            }
        )
