"""Releases on local disk: content-addressed files, hard-linked into one folder per release.

    <root>/manifests/<release>.json.gz
    <root>/blobs/<first two digits>/<sha256>
    <root>/versions/<release>/...            what Airflow reads; complete or absent, never half

Only changed files are fetched. Whoever calls holds the bundle's lock, which spans processes.
"""

import os
import shutil
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from airflow_on_fargate.release_manifest import ReleaseFile, ReleaseManifest
from airflow_on_fargate.release_store import S3ReleaseStore


class ReleaseCache:
    """The local copy of a store's releases under one folder."""

    def __init__(
        self, root: Path, versions: Path, store: S3ReleaseStore, parallel_fetches: int
    ) -> None:
        self._root = root
        self._versions = versions
        self._store = store
        self._parallel_fetches = parallel_fetches

    def has(self, release: str) -> bool:
        """Whether the release's folder is there; it is complete then."""
        return (self._versions / release).is_dir()

    def manifest(self, release: str) -> ReleaseManifest:
        """From disk, or from S3 and kept."""
        path = self._root / "manifests" / f"{release}.json.gz"
        if not path.exists():
            _write(path, self._store.manifest_bytes(release))
        return ReleaseManifest.from_bytes(path.read_bytes())

    def materialise(self, release: str) -> ReleaseManifest:
        """Make the release's folder, unless it is there."""
        manifest = self.manifest(release)
        if self.has(release):
            return manifest
        self._fetch(manifest.files.values())
        self._assemble(release, manifest)
        self._drop_unused_blobs()
        return manifest

    def _fetch(self, files: Iterable[ReleaseFile]) -> None:
        missing = {file.sha256: file for file in files if not self._blob(file.sha256).exists()}
        if not missing:
            return
        self._store.connect()
        with ThreadPoolExecutor(self._parallel_fetches, thread_name_prefix="release") as threads:
            # list() raises the first error; the blobs fetched until then stay and are used next
            # time.
            list(threads.map(self._fetch_one, missing.values()))

    def _fetch_one(self, file: ReleaseFile) -> None:
        # Read-only: a DAG that writes to its own folder must not change another release.
        _write(self._blob(file.sha256), self._store.file_bytes(file), mode=0o444)

    def _assemble(self, release: str, manifest: ReleaseManifest) -> None:
        self._versions.mkdir(parents=True, exist_ok=True)
        for left_over in self._versions.glob(".staging-*"):
            shutil.rmtree(left_over, ignore_errors=True)
        staging = self._versions / f".staging-{release}"
        staging.mkdir()
        for path, file in manifest.files.items():
            target = staging / path
            target.parent.mkdir(parents=True, exist_ok=True)
            os.link(self._blob(file.sha256), target)
        staging.rename(self._versions / release)

    def _drop_unused_blobs(self) -> None:
        """Airflow's clean-up removes folders of old releases; a blob with one link is in none."""
        blobs = self._root / "blobs"
        for blob in blobs.glob("*/*") if blobs.is_dir() else ():
            if blob.stat().st_nlink == 1:
                blob.unlink()

    def _blob(self, sha256: str) -> Path:
        return self._root / "blobs" / sha256[:2] / sha256


def files_to_touch(
    before: ReleaseManifest, after: ReleaseManifest, is_dag: Callable[[str], bool]
) -> list[str]:
    """Which of `after`'s files the dag-processor must see as modified.

    It re-parses by modification time, and a hard link keeps an old one. A changed DAG concerns
    itself; anything else that changed, appeared or went (a module, a query, a template) may concern
    every DAG. `is_dag` is asked about files of `after` only.
    """
    changed = {
        path
        for path in before.files.keys() | after.files.keys()
        if _sha(before, path) != _sha(after, path)
    }
    if all(path in after.files and is_dag(path) for path in changed):
        return sorted(changed)
    return sorted(after.files)


def _sha(manifest: ReleaseManifest, path: str) -> str | None:
    file = manifest.files.get(path)
    return file.sha256 if file else None


def _write(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Atomically, so that a reader or a killed process never leaves half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_bytes(data)
    temporary.chmod(mode)
    temporary.replace(path)
