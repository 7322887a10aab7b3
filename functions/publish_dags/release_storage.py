"""Store a release so that every reader needs at most three requests.

An *archive* contains the files of one release. A later release refers to it and contains, in the
same object as its manifest, the files that the archive does not have. When these become a large
share, or most of the archive's files are no longer used, the next release writes its own archive.
So publishing one changed file of ten thousand stores that file and a manifest, and a reader with an
empty disk fetches pointer, manifest and archive. docs/decisions/0006 has the numbers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from contracts.release_manifest import Archive, ReleaseFile, ReleaseManifest
from publish_dags.checks.problems import Problem
from publish_dags.ports import NoSuchReleaseError, ReleaseStore, StoredRelease

# Up to this size, or this share of all files, the difference is stored with the manifest. A release
# that is smaller as a whole needs no archive.
_SMALL_BYTES = 256 * 1024
_SHARE = 4

# The number of files in a history entry.
_NAMED_PATHS = 50
NAMED_WARNINGS = 20
_NAMED_EXCLUSIONS = 20


def store(
    releases: ReleaseStore,
    manifest: ReleaseManifest,
    new: Mapping[str, bytes],
    base: StoredRelease | None,
) -> StoredRelease:
    """Store a release, and before it an archive if it needs a new one.

    `new` contains the files that `base` does not have. NoSuchReleaseError if the base's archive is
    needed and cannot be read: then `new` must contain all files.
    """
    needed = _sizes(manifest.files)
    archive, delta = _continue(needed, new, base)
    if archive is None and sum(needed.values()) > _SMALL_BYTES:
        archive = Archive(manifest.release, sum(needed.values()))
        releases.add_archive(archive.name, _collect(releases, needed, new, base))
        delta = {}
    elif archive is None:
        delta = _collect(releases, needed, new, base)
    release = StoredRelease(replace(manifest, archive=archive), delta)
    releases.add(release)
    return release


def _continue(
    needed: Mapping[str, int], new: Mapping[str, bytes], base: StoredRelease | None
) -> tuple[Archive | None, dict[str, bytes]]:
    """The base's archive and the files it does not have, if it is worth using it again."""
    if base is None or base.manifest.archive is None:
        return None, {}
    archived = _sizes(base.manifest.files).keys() - base.delta.keys()
    lacking = needed.keys() - archived
    total = sum(needed.values())
    if sum(needed[sha256] for sha256 in lacking) > max(_SMALL_BYTES, total // _SHARE):
        return None, {}
    if base.manifest.archive.size > 2 * total + _SMALL_BYTES:
        return None, {}
    delta = {sha256: new[sha256] if sha256 in new else base.delta[sha256] for sha256 in lacking}
    return base.manifest.archive, delta


def _collect(
    releases: ReleaseStore,
    needed: Mapping[str, int],
    new: Mapping[str, bytes],
    base: StoredRelease | None,
) -> dict[str, bytes]:
    """The bytes of every file; those that are not new come from the base."""
    blobs = {sha256: data for sha256, data in new.items() if sha256 in needed}
    if base:
        blobs |= {sha256: data for sha256, data in base.delta.items() if sha256 in needed}
    if base and base.manifest.archive and needed.keys() - blobs.keys():
        for sha256, data in releases.archive(base.manifest.archive):
            if sha256 in needed:
                blobs[sha256] = data
    if missing := needed.keys() - blobs.keys():
        raise NoSuchReleaseError(f"{len(missing)} files are in no stored release")
    return blobs


def _sizes(files: Mapping[str, ReleaseFile]) -> dict[str, int]:
    return {file.sha256: file.size for file in files.values()}


def changes(
    before: Mapping[str, ReleaseFile],
    release: ReleaseManifest,
    warnings: Sequence[Problem] = (),
) -> dict[str, object]:
    """A release's changes for the history: counts, the first paths, warnings and exclusions."""
    after = release.files
    added = sorted(after.keys() - before.keys())
    removed = sorted(before.keys() - after.keys())
    changed = sorted(p for p in after.keys() & before.keys() if after[p].sha256 != before[p].sha256)
    signs = [("+", added), ("~", changed), ("-", removed)]
    paths = [f"{sign} {path}" for sign, group in signs for path in group]
    entry: dict[str, object] = {
        "added": len(added),
        "changed": len(changed),
        "removed": len(removed),
        "paths": paths[:_NAMED_PATHS],
    }
    if warnings:
        entry["warnings"] = [str(problem) for problem in warnings[:NAMED_WARNINGS]]
    if release.exclusions:
        entry["excludedFiles"] = len(release.exclusions)
        entry["excluded"] = [str(each) for each in release.exclusions[:_NAMED_EXCLUSIONS]]
    return entry
