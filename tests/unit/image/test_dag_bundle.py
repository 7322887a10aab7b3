"""The DAG bundle against an in-memory S3 and a real disk."""

import os
import shutil
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from airflow.dag_processing.bundles.base import BundleUsageTrackingManager, get_bundle_tracking_file
from in_memory_s3 import BUCKET, PREFIX, InMemoryS3, Publisher

from airflow_on_fargate.dag_bundle import ReleaseDagBundle
from airflow_on_fargate.release_store import ReleaseIntegrityError, ReleaseUnavailableError

DAG = "from airflow.sdk import dag  # {}"
MakeBundle = Callable[..., ReleaseDagBundle]


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> InMemoryS3:
    stand_in = InMemoryS3()
    monkeypatch.setattr("boto3.client", lambda *_, **__: stand_in)
    return stand_in


@pytest.fixture
def publisher(s3: InMemoryS3) -> Publisher:
    return Publisher(s3)


@pytest.fixture
def make_bundle(s3: InMemoryS3) -> MakeBundle:
    name = f"releases-{uuid.uuid4().hex}"

    def make(version: str | None = None, bucket: str = BUCKET) -> ReleaseDagBundle:
        return ReleaseDagBundle(
            name=name, bucket_name=bucket, prefix=PREFIX, version=version, refresh_interval=5
        )

    return make


def served(bundle: ReleaseDagBundle) -> str | None:
    version = bundle.get_current_version()
    return version.version if version else None


def texts(folder: Path) -> dict[str, str]:
    root = folder.resolve()
    return {str(p.relative_to(root)): p.read_text() for p in root.rglob("*") if p.is_file()}


def age_all(bundle: ReleaseDagBundle) -> None:
    """Make every file look old, as after a while of running."""
    for path in bundle.path.resolve().rglob("*.py"):
        os.utime(path, (1, 1))


def touched_files(bundle: ReleaseDagBundle) -> set[str]:
    root = bundle.path.resolve()
    return {str(p.relative_to(root)) for p in root.rglob("*.py") if p.stat().st_mtime > 1}


def test_serves_the_current_release_when_initialized(
    publisher: Publisher, make_bundle: MakeBundle
) -> None:
    release = publisher.publish({"a.py": DAG, "lib/b.py": "B = 1"})
    bundle = make_bundle()
    bundle.initialize()
    assert served(bundle) == release
    assert texts(bundle.path) == {"a.py": DAG, "lib/b.py": "B = 1"}


def test_is_empty_when_nothing_has_been_published(make_bundle: MakeBundle) -> None:
    bundle = make_bundle()
    bundle.initialize()
    bundle.refresh()
    assert served(bundle) is None
    assert texts(bundle.path) == {}


def test_picks_up_the_first_release_when_it_started_empty(
    publisher: Publisher, make_bundle: MakeBundle
) -> None:
    bundle = make_bundle()
    bundle.initialize()
    release = publisher.publish({"a.py": DAG})
    bundle.refresh()
    assert served(bundle) == release
    assert texts(bundle.path) == {"a.py": DAG}


def test_asks_once_when_nothing_changed(
    publisher: Publisher, make_bundle: MakeBundle, s3: InMemoryS3
) -> None:
    publisher.publish({"a.py": DAG})
    bundle = make_bundle()
    bundle.initialize()
    s3.requests.clear()
    bundle.refresh()
    assert s3.requests == ["releases/current.json"]


def test_fetches_only_what_changed_when_a_release_follows(
    publisher: Publisher, make_bundle: MakeBundle, s3: InMemoryS3
) -> None:
    publisher.publish({"a.py": DAG, "b.py": DAG + "b"})
    bundle = make_bundle()
    bundle.initialize()
    s3.requests.clear()
    publisher.publish({"a.py": DAG, "b.py": DAG + "changed"})
    bundle.refresh()
    assert [key for key in s3.requests if key.startswith("dags/")] == ["dags/b.py"]
    assert texts(bundle.path)["b.py"] == DAG + "changed"


def test_keeps_its_path_when_the_release_changes(
    publisher: Publisher, make_bundle: MakeBundle
) -> None:
    publisher.publish({"a.py": DAG})
    bundle = make_bundle()
    bundle.initialize()
    before = bundle.path
    publisher.publish({"a.py": DAG + "2"})
    bundle.refresh()
    assert bundle.path == before


def test_keeps_the_release_of_a_run_when_another_is_published(
    publisher: Publisher, make_bundle: MakeBundle
) -> None:
    first = publisher.publish({"a.py": DAG + "1"})
    publisher.publish({"a.py": DAG + "2"})
    pinned = make_bundle(version=first)
    pinned.initialize()
    assert texts(pinned.path) == {"a.py": DAG + "1"}
    with pytest.raises(RuntimeError, match="pinned"):
        pinned.refresh()


def test_follows_the_pointer_back_when_rolled_back(
    publisher: Publisher, make_bundle: MakeBundle
) -> None:
    first = publisher.publish({"a.py": DAG + "1"})
    publisher.publish({"a.py": DAG + "2"})
    bundle = make_bundle()
    bundle.initialize()
    publisher.point_at(first)
    bundle.refresh()
    assert served(bundle) == first
    assert texts(bundle.path) == {"a.py": DAG + "1"}


def test_touches_a_changed_dag_twice_when_a_release_follows(
    publisher: Publisher, make_bundle: MakeBundle
) -> None:
    publisher.publish({"a.py": DAG, "b.py": DAG})
    bundle = make_bundle()
    bundle.initialize()
    age_all(bundle)
    publisher.publish({"a.py": DAG + "2", "b.py": DAG})
    bundle.refresh()
    assert touched_files(bundle) == {"a.py"}
    age_all(bundle)
    bundle.refresh()
    assert touched_files(bundle) == {"a.py"}
    age_all(bundle)
    bundle.refresh()
    assert touched_files(bundle) == set()


@pytest.mark.parametrize("after", [{"lib/m.py": "M = 2"}, {}], ids=["changed", "removed"])
def test_touches_every_file_when_a_module_is(
    publisher: Publisher, make_bundle: MakeBundle, after: dict[str, str]
) -> None:
    publisher.publish({"a.py": DAG, "b.py": DAG + "b", "lib/m.py": "M = 1"})
    bundle = make_bundle()
    bundle.initialize()
    age_all(bundle)
    publisher.publish({"a.py": DAG, "b.py": DAG + "b", **after})
    bundle.refresh()
    assert touched_files(bundle) == {"a.py", "b.py", *after}


def test_serves_the_former_release_when_the_new_one_is_damaged(
    publisher: Publisher, make_bundle: MakeBundle, s3: InMemoryS3
) -> None:
    first = publisher.publish({"a.py": DAG})
    bundle = make_bundle()
    bundle.initialize()
    second = publisher.publish({"a.py": DAG + "2"})
    s3.versions["dags/a.py"][-1] = b"somebody else's bytes"
    with pytest.raises(ReleaseIntegrityError, match=r"dags/a\.py"):
        bundle.refresh()
    assert served(bundle) == first
    assert texts(bundle.path) == {"a.py": DAG}
    assert not (bundle.versions_dir / second).exists()


def test_leaves_no_lease_behind_when_a_release_cannot_be_made(
    publisher: Publisher, make_bundle: MakeBundle, s3: InMemoryS3
) -> None:
    release = publisher.publish({"a.py": DAG})
    s3.versions["dags/a.py"][-1] = b"damaged"
    bundle = make_bundle(version=release)
    with pytest.raises(ReleaseIntegrityError):
        bundle.initialize()
    assert not get_bundle_tracking_file(bundle.name, release).exists()


def test_holds_its_release_when_airflow_cleans_up(
    publisher: Publisher, make_bundle: MakeBundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__DAG_PROCESSOR__STALE_BUNDLE_CLEANUP_MIN_VERSIONS", "0")
    monkeypatch.setenv("AIRFLOW__DAG_PROCESSOR__STALE_BUNDLE_CLEANUP_AGE_THRESHOLD", "-1")
    first = publisher.publish({"a.py": DAG + "1"})
    pinned = make_bundle(version=first)
    pinned.initialize()
    second = publisher.publish({"a.py": DAG + "2"})
    abandoned = make_bundle(version=second)
    abandoned.initialize()
    assert abandoned._lease is not None
    abandoned._lease.release()
    BundleUsageTrackingManager()._remove_stale_bundle_versions_for_bundle(pinned.name)
    assert texts(pinned.path) == {"a.py": DAG + "1"}
    assert not abandoned.path.exists()


def test_drops_files_of_removed_releases_when_it_makes_the_next(
    publisher: Publisher, make_bundle: MakeBundle
) -> None:
    publisher.publish({"a.py": DAG + "1"})
    bundle = make_bundle()
    bundle.initialize()
    former = bundle.path.resolve()
    publisher.publish({"a.py": DAG + "2"})
    bundle.refresh()
    shutil.rmtree(former)
    publisher.publish({"a.py": DAG + "3"})
    bundle.refresh()
    blobs = {path.read_text() for path in (bundle.base_dir / "blobs").glob("*/*")}
    assert blobs == {DAG + "2", DAG + "3"}


def test_names_the_bucket_when_it_does_not_exist(make_bundle: MakeBundle) -> None:
    with pytest.raises(ReleaseUnavailableError, match="'nowhere' does not exist"):
        make_bundle(bucket="nowhere").initialize()


def test_names_the_release_when_its_manifest_is_gone(make_bundle: MakeBundle) -> None:
    release = "20260101T000000Z-0123456789"
    with pytest.raises(ReleaseUnavailableError, match=release):
        make_bundle(version=release).initialize()


def test_goes_on_serving_when_s3_fails(
    publisher: Publisher, make_bundle: MakeBundle, s3: InMemoryS3
) -> None:
    release = publisher.publish({"a.py": DAG})
    bundle = make_bundle()
    bundle.initialize()
    s3.failure = "SlowDown"
    with pytest.raises(ReleaseUnavailableError, match="SlowDown"):
        bundle.refresh()
    assert served(bundle) == release
    s3.failure = None
    bundle.refresh()
    assert texts(bundle.path) == {"a.py": DAG}
