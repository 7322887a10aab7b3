"""Releases on local disk: content-addressed files, hard-linked into one folder per release.

    <root>/manifests/<release>.json
    <root>/blobs/<first two digits>/<sha256>      read-only, checked each time they are linked
    <root>/versions/<release>/...            what Airflow reads; complete or absent, never half

A release is one object in S3, with an archive beside it where there are many files. Missing files
are taken from the first, and from the second only if that is not enough. The caller holds the
bundle's lock, which works across processes.
"""

import errno
import hashlib
import json
import logging
import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

from airflow_on_fargate.contracts.release_manifest import ReleaseFormatError, ReleaseManifest
from airflow_on_fargate.contracts.release_pack import Pack, PackFormatError
from airflow_on_fargate.releases.store import ReleaseIntegrityError, S3ReleaseStore

log = logging.getLogger(__name__)

_READ_ONLY = 0o444
_FULL = (errno.ENOSPC, errno.EDQUOT)


class DiskFullError(Exception):
    """The task's disk cannot hold the release."""


class ReleaseCache:
    """The local copy of a store's releases under one folder."""

    def __init__(self, root: Path, versions: Path, store: S3ReleaseStore) -> None:
        self._root = root
        self._versions = versions
        self._store = store

    def has(self, release: str) -> bool:
        """Whether the release's folder exists; if so, it is complete."""
        return (self._versions / release).is_dir()

    def manifest(self, release: str) -> ReleaseManifest:
        """From disk if the release was materialised, otherwise from S3."""
        path = self._manifest_path(release)
        if path.exists():
            return ReleaseManifest.from_document(json.loads(path.read_bytes()))
        return self._open(release)[0]

    def materialise(self, release: str) -> None:
        """Create the release's folder, unless it exists. Either all of it or nothing."""
        if self.has(release):
            return
        staging = self._versions / f".staging-{release}"
        try:
            self._versions.mkdir(parents=True, exist_ok=True)
            for left_over in self._versions.glob(".staging-*"):
                shutil.rmtree(left_over, ignore_errors=True)
            self._make(release, staging)
        except OSError as error:
            shutil.rmtree(staging, ignore_errors=True)
            if error.errno in _FULL:
                raise self._disk_full(release) from error
            raise
        except PackFormatError as error:
            shutil.rmtree(staging, ignore_errors=True)
            raise ReleaseIntegrityError(f"Release {release} is damaged in S3: {error}") from error
        except BaseException:
            shutil.rmtree(staging, ignore_errors=True)
            raise

    def _make(self, release: str, staging: Path) -> None:
        # First, because folders of old releases may have been removed since the last time.
        self._drop_unused()
        manifest, pack = self._open(release)
        # Strings from here on: creating ten thousand Path objects takes as long as their files.
        places: dict[str, list[str]] = {}
        sizes: dict[str, int] = {}
        for path, file in manifest.files.items():
            places.setdefault(file.sha256, []).append(f"{staging}/{path}")
            sizes[file.sha256] = file.size
        staging.mkdir()
        for folder in {os.path.dirname(path) for path in manifest.files}:
            (staging / folder).mkdir(parents=True, exist_ok=True)
        lacking = {
            sha256
            for sha256, targets in places.items()
            if not self._link(sha256, sizes[sha256], targets)
        }
        if lacking:
            self._unpack(pack, places, lacking)
        if lacking and manifest.archive:
            archive = Pack(self._store.archive_bytes(manifest.archive))
            self._unpack(archive, places, lacking)
        if lacking:
            raise ReleaseIntegrityError(
                f"{len(lacking)} files of release {release} are missing from its objects in S3"
            )
        document = json.dumps(manifest.as_document(), separators=(",", ":"))
        _write(self._manifest_path(release), document.encode())
        staging.rename(self._versions / release)

    def _open(self, release: str) -> tuple[ReleaseManifest, Pack]:
        try:
            pack = Pack(self._store.release_bytes(release))
            manifest = ReleaseManifest.from_document(pack.header)
        except (PackFormatError, ReleaseFormatError) as error:
            raise ReleaseIntegrityError(f"Release {release} is damaged in S3: {error}") from error
        if manifest.release != release:
            raise ReleaseIntegrityError(
                f"The manifest of release {release} in S3 is that of {manifest.release}"
            )
        return manifest, pack

    def _unpack(self, pack: Pack, places: dict[str, list[str]], lacking: set[str]) -> None:
        for sha256, data in pack.blobs():
            if sha256 in lacking:
                self._keep(sha256, data, places[sha256])
                lacking.discard(sha256)

    def _keep(self, sha256: str, data: bytes, targets: list[str]) -> None:
        # Read-only: a DAG that writes to its own folder must not change another release. A blob
        # gets its name only when it is complete, as a link to the file in the staging folder.
        first, *others = targets
        with open(os.open(first, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _READ_ONLY), "wb") as file:
            file.write(data)
        blob = self._blob(sha256)
        try:
            os.link(first, blob)
        except FileNotFoundError:
            os.makedirs(os.path.dirname(blob), exist_ok=True)
            os.link(first, blob)
        for target in others:
            os.link(first, target)

    def _link(self, sha256: str, size: int, targets: list[str]) -> bool:
        blob = self._blob(sha256)
        try:
            if not _is_intact(blob, sha256, size):
                # The code of a DAG runs as the same user, and may have written to its own files.
                # They belong to earlier releases; this one gets the content from S3.
                log.warning("A file of an earlier DAG release was changed on this disk: %s", blob)
                os.unlink(blob)
                return False
            for target in targets:
                os.link(blob, target)
        except FileNotFoundError:
            return False
        return True

    def _drop_unused(self) -> None:
        """Airflow's clean-up removes folders of old releases; a blob with one link is unused."""
        blobs = self._root / "blobs"
        for folder in os.scandir(blobs) if blobs.is_dir() else ():
            for blob in os.scandir(folder):
                if blob.stat().st_nlink == 1:
                    os.unlink(blob)
        manifests = self._root / "manifests"
        for manifest in manifests.glob("*.json") if manifests.is_dir() else ():
            if not self.has(manifest.stem):
                manifest.unlink()

    def _disk_full(self, release: str) -> DiskFullError:
        disk = shutil.disk_usage(self._root)
        return DiskFullError(
            f"Not enough disk space for DAG release {release} in {self._root}: {disk.free:,} of "
            f"{disk.total:,} bytes are free. Give the task more ephemeral storage, or keep large "
            "data out of dags/"
        )

    def _manifest_path(self, release: str) -> Path:
        return self._root / "manifests" / f"{release}.json"

    def _blob(self, sha256: str) -> str:
        return f"{self._root}/blobs/{sha256[:2]}/{sha256}"


def files_to_touch(
    before: ReleaseManifest, after: ReleaseManifest, is_dag: Callable[[str], bool]
) -> list[str]:
    """Which of `after`'s files the dag-processor must see as modified.

    It parses again by modification time, and a hard link keeps an old one. A changed DAG affects
    only itself; any other file that was changed, added or removed (a module, a query, a template)
    may affect every DAG. `is_dag` is called for files of `after` only.
    """
    changed = {
        path
        for path in before.files.keys() | after.files.keys()
        if _sha(before, path) != _sha(after, path)
    }
    if all(path in after.files and is_dag(path) for path in changed):
        return sorted(changed)
    return sorted(after.files)


def _is_intact(path: str, sha256: str, size: int) -> bool:
    """Whether the file still has its content, and whether nothing may write to it by accident."""
    with open(path, "rb") as file:
        found = os.fstat(file.fileno())
        if found.st_size != size or hashlib.file_digest(file, "sha256").hexdigest() != sha256:
            return False
        if stat.S_IMODE(found.st_mode) != _READ_ONLY:
            os.fchmod(file.fileno(), _READ_ONLY)
    return True


def _sha(manifest: ReleaseManifest, path: str) -> str | None:
    file = manifest.files.get(path)
    return file.sha256 if file else None


def _write(path: Path, data: bytes) -> None:
    """Write atomically, so that there is never half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_bytes(data)
    temporary.replace(path)
