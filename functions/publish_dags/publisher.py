"""Publish the content of the bucket as a release: the DAGs folder, or the newest zip file.

What to do depends only on the bucket's state, never on the event: events may come late, twice, in
any order or not at all. A release contains what can be part of it; the other files stay out, with
their last good versions in their place, and are reported. In strict mode one such file refuses the
whole release, and the release before stays current. Everything is written before the pointer moves,
and the pointer moves only if it is still the one that was read. So publishers may run at the same
time and may be killed at any point.
"""

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from contracts.names import DEFAULT_EXECUTOR
from contracts.queues import DEFAULT_QUEUE
from contracts.release_manifest import Exclusion, ReleaseManifest, ReleasePointer, release_id
from publish_dags import release_storage as releasing
from publish_dags.checks.examination import Examination, examine
from publish_dags.checks.executors import unknown_executors
from publish_dags.checks.imports import imported_at_parsing, missing, modules_of, unresolved
from publish_dags.checks.limits import Limits, outgrown
from publish_dags.checks.problems import Problem, RefusedError
from publish_dags.checks.queues import foreign_queues, unknown_queues
from publish_dags.ports import (
    ConcurrentReleaseError,
    CurrentPointer,
    DagSource,
    Inbox,
    NoSuchReleaseError,
    ReleaseStore,
    SourceChangedError,
    SourceListing,
    StoredRelease,
    Upload,
)
from publish_dags.zip_source import ZipSource

_ATTEMPTS = 10


class PublishingContendedError(Exception):
    """The files, or the current release, changed during every attempt."""


class Outcome(StrEnum):
    PUBLISHED = "published"
    UNCHANGED = "unchanged"
    REFUSED = "refused"
    HELD = "held"
    LEFT = "left"


@dataclass(frozen=True)
class Publication:
    """The result of an attempt to publish. `release` is the current release afterwards.

    `known` marks a refusal that was reported before. `new_warnings` are not in the history yet, and
    `new_exclusions` did not apply to the release before.
    """

    outcome: Outcome
    release: str | None = None
    files: int = 0
    files_read: int = 0
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    new_warnings: tuple[Problem, ...] = ()
    exclusions: tuple[Exclusion, ...] = ()
    new_exclusions: tuple[Exclusion, ...] = ()
    known: bool = False


@dataclass(frozen=True)
class Sight:
    """The bucket at one moment, and what is new in it since the pointer was written."""

    current: CurrentPointer | None
    folder: SourceListing
    upload: Upload | None

    @property
    def pointer(self) -> ReleasePointer | None:
        return self.current.pointer if self.current else None

    @property
    def release(self) -> str | None:
        return self.pointer.release if self.pointer else None

    @property
    def new_folder(self) -> bool:
        return self.pointer is None or self.pointer.folder != self.folder.mark

    @property
    def new_upload(self) -> Upload | None:
        """The zip file, unless it is known or the folder changed later: the last change counts."""
        upload = self.upload
        if upload is None or upload.refused:
            return None
        if self.pointer and self.pointer.upload == upload.mark:
            return None
        later = self.folder.changed_at
        if self.new_folder and later is not None and later > upload.changed_at:
            return None
        return upload

    @property
    def upload_mark(self) -> str:
        return self.upload.mark if self.upload else ""


@dataclass(frozen=True)
class Publisher:
    """`queues` are those of the stack, `isolated_queues` a part of them; `executors` are words of
    the parameter Executors.

    `dag_files_of_class` is how many the stack's class is meant for; 0 for no warning.
    """

    source: DagSource
    inbox: Inbox
    releases: ReleaseStore
    limits: Limits
    now: Callable[[], datetime]
    strict: bool = False
    queues: tuple[str, ...] = (DEFAULT_QUEUE,)
    isolated_queues: tuple[str, ...] = ()
    executors: tuple[str, ...] = (DEFAULT_EXECUTOR,)
    dag_files_of_class: int = 0
    # Whether the call must come to an end, with the time left that a report needs.
    out_of_time: Callable[[], bool] = lambda: False

    def publish(self, by: str = "", again: bool = True) -> Publication:
        """Publish what is new; `again` also checks a folder again that was refused unchanged."""
        for _ in range(_ATTEMPTS):
            try:
                return self._attempt(by, again)
            except (SourceChangedError, ConcurrentReleaseError):
                continue
        raise PublishingContendedError(
            f"The bucket changed during each of {_ATTEMPTS} attempts to publish"
        )

    def look(self) -> Sight:
        return Sight(self.releases.pointer(), self.source.list(), self.inbox.newest())

    def refusal_mark(self, sight: Sight) -> str:
        """Changes with everything on which it depends whether the folder is refused."""
        mode = "strict" if self.strict else "forgiving"
        return f"{mode} {self.limits.files} {self.limits.total_bytes} {sight.folder.mark}"

    def _attempt(self, by: str, again: bool) -> Publication:
        sight = self.look()
        if sight.pointer and sight.pointer.hold:
            return Publication(Outcome.HELD, sight.release, len(sight.folder.files))
        upload = sight.new_upload
        if upload is not None:
            publication = self._publish_zip(sight, upload, by)
            if publication.outcome is not Outcome.REFUSED or not sight.new_folder:
                return publication
            # The zip file is reported; the folder does not have to wait for a better one.
            sight = replace(sight, upload=replace(upload, refused=True))
        if not sight.new_folder:
            if self.releases.refused_folder() is not None:
                # The refused change was undone.
                self.releases.clear_refusal()
            return Publication(Outcome.UNCHANGED, sight.release, len(sight.folder.files))
        if not again and self.releases.refused_folder() == self.refusal_mark(sight):
            return Publication(Outcome.REFUSED, sight.release, len(sight.folder.files), known=True)
        return self._publish_folder(sight, by)

    def _publish_zip(self, sight: Sight, upload: Upload, by: str) -> Publication:
        try:
            if upload.size > self.limits.total_bytes:
                limit = f"{self.limits.total_bytes:,} are allowed"
                raise RefusedError(
                    [Problem("", f"the zip file has {upload.size:,} bytes; {limit}")]
                )
            content = self.inbox.read(upload)
            zipped = ZipSource(content.data, self.limits)
            return self._release(sight, zipped, zipped.list(), upload.key, by, content.origin)
        except RefusedError as error:
            report = {**self._report(sight, error), "upload": upload.mark}
            self.inbox.report_refusal(upload, report)
            return Publication(Outcome.REFUSED, sight.release, problems=error.problems)

    def _publish_folder(self, sight: Sight, by: str) -> Publication:
        try:
            publication = self._release(sight, self.source, sight.folder, "folder", by)
        except RefusedError as error:
            report = {**self._report(sight, error), "folder": self.refusal_mark(sight)}
            self.releases.report_refusal(report)
            files = len(sight.folder.files)
            return Publication(Outcome.REFUSED, sight.release, files, problems=error.problems)
        if self.releases.refused_folder() is not None:
            self.releases.clear_refusal()
        return publication

    def _release(
        self,
        sight: Sight,
        source: DagSource,
        listing: SourceListing,
        reason: str,
        by: str,
        origin: Mapping[str, str] | None = None,
    ) -> Publication:
        base = self._base(sight)
        found = self._examine(source, listing, base)
        manifest = found.manifest()
        moment = self.now()
        unchanged = base is not None and base.manifest.content_hash == manifest.content_hash
        if base is not None and unchanged:
            # The same content from another source: recorded, but no task has to load a release.
            release = base.manifest.release
        else:
            manifest = _named(manifest, moment)
            try:
                releasing.store(self.releases, manifest, found.new, base)
            except NoSuchReleaseError:
                # The unchanged files of the current release are lost: read all files. Versions of
                # files that stayed in are lost, too.
                found = self._examine(source, listing, None)
                manifest = _named(found.manifest(), moment)
                releasing.store(self.releases, manifest, found.new, None)
            release = manifest.release
        pointer = ReleasePointer(
            release,
            published_at=moment.isoformat(timespec="seconds"),
            by=by,
            reason=reason,
            changes=releasing.changes(
                base.manifest.files if base else {}, manifest, found.warnings
            ),
            folder=sight.folder.mark,
            upload=sight.upload_mark,
            retiring=sight.pointer.retiring if sight.pointer else (),
            origin=origin or {},
        )
        self.releases.point_to(pointer, sight.current.mark if sight.current else None)
        outcome = Outcome.UNCHANGED if unchanged else Outcome.PUBLISHED
        said = sight.pointer.changes.get("warnings", ()) if sight.pointer else ()
        new = tuple(each for each in found.warnings if str(each) not in said)
        former = {str(each) for each in base.manifest.exclusions} if base else set()
        return Publication(
            outcome,
            release,
            len(found.files),
            found.read,
            warnings=tuple(found.warnings),
            # The pointer contains only the first warnings.
            new_warnings=new if len(said) < releasing.NAMED_WARNINGS else (),
            exclusions=manifest.exclusions,
            new_exclusions=tuple(each for each in manifest.exclusions if str(each) not in former),
        )

    def _examine(
        self, source: DagSource, listing: SourceListing, base: StoredRelease | None
    ) -> Examination:
        """What the release contains; RefusedError if there must not be one."""
        found = examine(
            source, listing, self.limits, base.manifest if base else None, self.out_of_time
        )
        if self.strict and found.problems:
            raise RefusedError(found.problems)
        if found.exclusions and not found.files and source is not self.source:
            # A zip replaces the whole folder: a damaged one must not remove everything.
            raise RefusedError(found.problems)
        reached, imported = imported_at_parsing(found.imports, found.parsed)
        found.warnings += self._missing(found, reached)

        def of_tasks(by_path: Mapping[str, Mapping[str, int]]) -> dict[str, Mapping[str, int]]:
            return {
                path: names
                for path, names in by_path.items()
                if path in found.parsed or not imported.isdisjoint(modules_of(path))
            }

        asked = of_tasks(found.queues)
        found.warnings += unknown_executors(of_tasks(found.executors), self.executors)
        found.warnings += unknown_queues(asked, self.queues)
        # A module may be meant for the DAG files that import it.
        found.warnings += foreign_queues(
            {path: names for path, names in asked.items() if path in found.parsed},
            self.isolated_queues,
        )
        # In front: the history names the first warnings.
        found.warnings[:0] = outgrown(found.parsed, self.dag_files_of_class)
        return found

    def _missing(self, found: Examination, reached: Set[str]) -> list[Problem]:
        """Packages that the image does not have; none until Airflow has reported its packages."""
        asked = unresolved({path: found.imports[path] for path in reached}, found.files)
        environment = self.releases.environment() if asked else None
        return [] if environment is None else missing(asked, environment)

    def _base(self, sight: Sight) -> StoredRelease | None:
        if sight.release is None:
            return None
        try:
            return self.releases.release(sight.release)
        except NoSuchReleaseError:
            # Lost or unreadable: all files are read again and become a release of their own, which
            # repairs the bucket.
            return None

    def _report(self, sight: Sight, error: RefusedError) -> dict[str, Any]:
        return {
            "schema": 1,
            "refused_at": self.now().isoformat(timespec="seconds"),
            "current_release": sight.release,
            "problems": [problem.as_document() for problem in error.problems],
        }


def _named(manifest: ReleaseManifest, moment: datetime) -> ReleaseManifest:
    return replace(manifest, release=release_id(moment, manifest.content_hash))
