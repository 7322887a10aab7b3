"""The DAG bundle: immutable releases from S3, switched atomically, pinned by runs that use them.

The dag-processor follows the pointer: one conditional request every three seconds. A task asks for
the release that its run started with and gets exactly that one, whatever was published since.
"""

import contextlib
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from airflow.dag_processing.bundles import base
from airflow.dag_processing.bundles.base import (
    BaseDagBundle,
    BundleVersionLock,
    get_bundle_tracking_file,
)
from airflow.utils.file import might_contain_dag_via_default_heuristic

from airflow_on_fargate.contracts.dag_bucket import RELEASE_PREFIX
from airflow_on_fargate.releases import dags_folder
from airflow_on_fargate.releases.cache import ReleaseCache, files_to_touch
from airflow_on_fargate.releases.store import PointerSeen, S3ReleaseStore

log = logging.getLogger(__name__)

# Called after each refresh in this process with the release that is served then. Only the
# dag-processor adds a function, see `watch`.
refreshed: list[Callable[[str | None], None]] = []


class ReleaseDagBundle(BaseDagBundle):
    """DAGs in the releases that `publish_dags` makes."""

    supports_versioning = True

    def __init__(self, *, bucket_name: str, prefix: str = RELEASE_PREFIX, **kwargs: Any) -> None:
        # Unknown arguments come from Airflow: later versions pass more.
        super().__init__(**kwargs)
        self._store = S3ReleaseStore(bucket_name, prefix)
        self._cache = ReleaseCache(self.base_dir, self.versions_dir, self._store)
        self._served: PointerSeen | None = None
        self._lease: BundleVersionLock | None = None
        self._touch_again: list[str] = []

    @property
    def path(self) -> Path:
        """A pinned release's folder, or one symlink whose name never changes.

        With a path for each release, every file would be new to the dag-processor: its queue, the
        modification times it knows and the recorded locations of DAGs would be lost each time.
        """
        return Path(self.versions_dir, self.version) if self.version else self.base_dir / "current"

    def get_current_version(self) -> Any:
        """The release that `path` serves now. The pointer in S3 may already name another.

        A BundleVersion since Airflow 3.3, with where the release comes from. Before, from which an
        upgrade may start, a string.
        """
        release = self.version or (self._served.release if self._served else None)
        if not release or not hasattr(base, "BundleVersion"):
            return release
        origin = self._served.origin if self._served else {}
        return base.BundleVersion(release, {"origin": dict(origin)} if origin else None)

    def initialize(self) -> None:
        """Make `path` usable."""
        if self.version:
            self._lease = self._hold_and_materialise(self.version)
        else:
            self.refresh()
        if _runs_a_task():
            dags_folder.serve(self.path)
        super().initialize()

    def refresh(self) -> None:
        """Follow the pointer."""
        if self.version:
            raise RuntimeError(f"release {self.version} is pinned and cannot be refreshed")
        self._follow()
        for observer in refreshed:
            observer(self._served.release if self._served else None)

    def contents(self, release: str) -> tuple[Path, dict[str, str]]:
        """The folder of a release that is served, and the hashes of its files."""
        files = self._cache.manifest(release).files
        return self.versions_dir / release, {path: file.sha256 for path, file in files.items()}

    def _follow(self) -> None:
        pointer = self._store.pointer(self._served.etag if self._served else None)
        if isinstance(pointer, PointerSeen) and not self._serves(pointer.release):
            self._switch_to(pointer)
            return
        if isinstance(pointer, PointerSeen):
            self._served = pointer
        if pointer is None and self._served is None:
            self._serve_nothing()
        # A parse that ran during the switch read old files and was recorded as the new release.
        # Touching the files again one refresh later makes the dag-processor parse them again.
        self._touch(self._touch_again)
        self._touch_again = []

    def _serves(self, release: str) -> bool:
        return self._served is not None and self._served.release == release

    def _switch_to(self, pointer: PointerSeen) -> None:
        former, former_lease = self._served, self._lease
        lease = self._hold_and_materialise(pointer.release)
        self._point_current_at(self.versions_dir / pointer.release)
        self._served, self._lease = pointer, lease
        if former:
            self._touch_again = self._files_to_touch(former.release, pointer.release)
            self._touch(self._touch_again)
        if former_lease:
            former_lease.release()
        log.info("Serving DAG release %s", pointer.release)

    def _hold_and_materialise(self, release: str) -> BundleVersionLock:
        """Take the lease first: Airflow's clean-up removes folders without one."""
        lease = BundleVersionLock(bundle_name=self.name, bundle_version=release)
        lease.acquire()
        try:
            if not self._cache.has(release):
                with self.lock():
                    self._cache.materialise(release)
        except BaseException:
            lease.release()
            # A lease without a folder makes each clean-up fail.
            with contextlib.suppress(OSError):
                get_bundle_tracking_file(self.name, release).unlink()
            raise
        return lease

    def _files_to_touch(self, former: str, current: str) -> list[str]:
        folder = self.versions_dir / current

        def is_dag(path: str) -> bool:
            return path.endswith(".py") and might_contain_dag_via_default_heuristic(
                str(folder / path)
            )

        return files_to_touch(self._cache.manifest(former), self._cache.manifest(current), is_dag)

    def _touch(self, paths: list[str]) -> None:
        for path in paths:
            os.utime(self.path / path)

    def _serve_nothing(self) -> None:
        """Serve an empty folder until the first release: having no DAGs is not an error."""
        empty = self.base_dir / "empty"
        if not empty.is_dir():
            log.info("No DAG release has been published yet")
            empty.mkdir(parents=True, exist_ok=True)
        self._point_current_at(empty)

    def _point_current_at(self, folder: Path) -> None:
        link = self.base_dir / "current"
        target = folder.relative_to(self.base_dir)
        if link.is_symlink() and Path(os.readlink(link)) == target:
            return
        temporary = self.base_dir / f".current.{os.getpid()}"
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(target)
        temporary.replace(link)


def _runs_a_task() -> bool:
    """Whether this process runs one task, whatever the executor.

    Others, such as the dag-processor, initialize bundles of several releases.
    """
    runner = sys.modules.get("airflow.sdk.execution_time.task_runner")
    return getattr(runner, "SUPERVISOR_COMMS", None) is not None
