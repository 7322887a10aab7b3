"""What a folder would change if it were released now, by the publisher's own code."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from contracts.dag_bucket import RELEASE_PREFIX
from contracts.release_manifest import ReleasePointer, printable
from publish_dags.aws.s3_release_store import S3ReleaseStore
from publish_dags.checks.limits import Limits
from publish_dags.ports import SourceFile, SourceListing, StoredRelease, Upload, UploadContent
from publish_dags.publisher import Outcome, Publication, Publisher
from release_dags.environments import Environment
from shared.dag_releases import DagReleases

_KEY = "inbox/preview.zip"
_MOST_PATHS = 50


class _ReadOnly(S3ReleaseStore):
    """The releases of an environment; what would be written is remembered."""

    pointed: ReleasePointer | None = None

    def add_archive(self, name: str, blobs: Mapping[str, bytes]) -> None: ...

    def add(self, release: StoredRelease) -> None: ...

    def point_to(self, pointer: ReleasePointer, mark: str | None) -> None:
        self.pointed = pointer

    def report_refusal(self, report: Mapping[str, Any]) -> None: ...

    def clear_refusal(self) -> None: ...


class _SameFolder:
    """The folder of the bucket as the pointer knows it: only the upload is new."""

    def __init__(self, releases: S3ReleaseStore) -> None:
        current = releases.pointer()
        self._mark = current.pointer.folder if current else ""

    def list(self) -> SourceListing:
        return SourceListing([], self._mark)

    def read(self, file: SourceFile) -> bytes:
        raise FileNotFoundError(file.path)


@dataclass(frozen=True)
class _OneUpload:
    data: bytes

    def newest(self) -> Upload:
        return Upload(_KEY, _KEY, len(self.data), datetime.now(UTC), refused=False)

    def read(self, upload: Upload) -> UploadContent:
        return UploadContent(self.data)

    def report_refusal(self, upload: Upload, report: Mapping[str, Any]) -> None: ...


@dataclass(frozen=True)
class Preview:
    """The publication that would happen, and what it changes."""

    publication: Publication
    changes: Mapping[str, Any]
    live: str
    held: bool


def preview(environment: Environment, archive: bytes, settings: DagReleases) -> Preview:
    """Ask the publisher about a zip file, as if it had just been uploaded."""
    releases = _ReadOnly(environment.s3, environment.bucket, RELEASE_PREFIX)
    current = releases.pointer()
    publication = Publisher(
        source=_SameFolder(releases),
        inbox=_OneUpload(archive),
        releases=releases,
        limits=Limits.of_mib(settings.max_files, settings.max_mib),
        now=lambda: datetime.now(UTC),
        strict=settings.strict,
    ).publish("preview")
    return Preview(
        publication,
        releases.pointed.changes if releases.pointed else {},
        current.pointer.release if current else "",
        bool(current and current.pointer.hold),
    )


def markdown(shown: Preview, environment: str) -> str:
    """For a comment on a pull request."""
    outcome, changes = shown.publication.outcome, shown.changes
    lines = [f"### DAG release for `{environment}`", ""]
    if shown.held:
        lines.append(f"Release `{shown.live}` is held: nothing is published until it is resumed.")
    elif outcome is Outcome.REFUSED:
        lines += ["**Would be refused:**", ""]
        lines += [f"- {_plain(str(each))}" for each in shown.publication.problems[:_MOST_PATHS]]
    elif outcome is Outcome.UNCHANGED:
        lines.append(f"No file differs from the live release `{shown.live}`.")
    else:
        counts = ", ".join(f"{changes[key]} {key}" for key in ("added", "changed", "removed"))
        live = f"compared with the live release `{shown.live}`" if shown.live else "the first one"
        lines += [f"{counts}, {live}.", "", "```diff"]
        # "~" has no colour in a diff.
        lines += [_plain(path).replace("~", "!", 1) for path in changes["paths"][:_MOST_PATHS]]
        hidden = sum(int(changes[key]) for key in ("added", "changed", "removed")) - len(
            changes["paths"]
        )
        lines += [f"# and {hidden} more"] if hidden > 0 else []
        lines.append("```")
    for title, found in (
        ("Stays out", shown.publication.exclusions),
        ("Warnings", shown.publication.warnings),
    ):
        if found and outcome is not Outcome.REFUSED:
            lines += ["", f"{title}:", ""]
            lines += [f"- {_plain(str(each))}" for each in found[:_MOST_PATHS]]
    return "\n".join(lines) + "\n"


def _plain(text: str) -> str:
    """Names of files are of the author of the pull request: they must not end the block."""
    return printable(text).replace("`", "'")
