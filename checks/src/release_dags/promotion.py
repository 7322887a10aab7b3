"""Promote a release of one environment to another: the same files, known by their hash."""

import hashlib
import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass

from check_dags.archive import add_to_archive
from contracts.release_manifest import ReleasePointer, content_hash
from publish_dags.aws.s3_release_store import S3ReleaseStore
from publish_dags.ports import NoSuchReleaseError
from release_dags.environments import Environment, ReleaseError
from release_dags.upload import Uploader

CURRENT = "current"


@dataclass(frozen=True)
class Content:
    """The files of a release, with their hash and where they come from."""

    release: str
    files: Mapping[str, bytes]
    hash: str
    origin: Mapping[str, str]


def content_of(environment: Environment, wanted: str = CURRENT) -> Content:
    """A release by its id, by the beginning of its content's hash, or the current one.

    Raises:
        ReleaseError: it is not kept, ambiguous, or damaged.
    """
    releases = environment.releases
    release = _release(environment, releases, wanted)
    try:
        stored = releases.release(release)
        blobs = dict(stored.delta)
        if stored.manifest.archive:
            blobs.update(releases.archive(stored.manifest.archive))
    except NoSuchReleaseError as error:
        raise ReleaseError(f"{environment.name}: {error}") from error
    files = {}
    for path, entry in stored.manifest.files.items():
        data = blobs.get(entry.sha256)
        if data is None or hashlib.sha256(data).hexdigest() != entry.sha256:
            raise ReleaseError(f"{environment.name}: {path} of release {release} is damaged")
        files[path] = data
    found = next((p for p in releases.pointers(50) if p.release == release), None)
    return Content(release, files, file_hash(stored.manifest.files), found.origin if found else {})


def file_hash(files: Mapping[str, object]) -> str:
    """The hash of a release's files alone: two environments may leave out different others."""
    return content_hash({path: str(getattr(each, "sha256", each)) for path, each in files.items()})


def promote(
    source: Environment, target: Environment, wanted: str = CURRENT, wait_seconds: float = 300.0
) -> ReleasePointer:
    """Publish a release of `source` in `target`, through its inbox and with all of its checks.

    Raises:
        ReleaseError: the target refused it, or what is live there is not the same.
    """
    content = content_of(source, wanted)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, data in sorted(content.files.items()):
            add_to_archive(archive, path, data)
    pointer = Uploader(target, wait_seconds).publish(
        content.hash, buffer.getvalue(), content.origin
    )
    live = file_hash(target.releases.release(pointer.release).manifest.files)
    if live != content.hash:
        raise ReleaseError(
            f"{target.name} published {pointer.release}, whose files are not those of "
            f"{content.release}: {live[:10]} instead of {content.hash[:10]}"
        )
    return pointer


def _release(environment: Environment, releases: S3ReleaseStore, wanted: str) -> str:
    current = releases.pointer()
    if current is None:
        raise ReleaseError(f"{environment.name} has no release")
    if wanted == CURRENT:
        return current.pointer.release
    kept = releases.kept()
    if wanted in kept:
        return wanted
    # An id ends with the beginning of its content's hash; two times may have the same content.
    found = sorted(each for each in kept if each.rpartition("-")[2].startswith(wanted[:10]))
    if not found:
        raise ReleaseError(f"{environment.name} keeps no release {wanted}")
    return found[-1]
