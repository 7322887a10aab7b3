"""The DAG bundle against an in-memory S3 and a real disk."""

import errno
import hashlib
import os
import shutil
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from airflow.dag_processing.bundles.base import BundleUsageTrackingManager, get_bundle_tracking_file
from dag_folder import RELEASES, DagFolder
from in_memory_s3 import BUCKET, InMemoryS3, error

from airflow_on_fargate.releases import dags_folder
from airflow_on_fargate.releases.bundle import ReleaseDagBundle
from airflow_on_fargate.releases.cache import DiskFullError, ReleaseCache
from airflow_on_fargate.releases.store import ReleaseIntegrityError, ReleaseUnavailableError
from publish_dags.history.promotion import Promoter

DAG = "from airflow.sdk import dag  # "
MakeBundle = Callable[..., ReleaseDagBundle]


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> InMemoryS3:
    stand_in = InMemoryS3()
    monkeypatch.setattr("boto3.client", lambda *_, **__: stand_in)
    return stand_in


@pytest.fixture
def publisher(s3: InMemoryS3) -> DagFolder:
    return DagFolder(s3)


@pytest.fixture
def make_bundle(s3: InMemoryS3) -> MakeBundle:
    name = f"releases-{uuid.uuid4().hex}"

    def make(version: str | None = None, bucket: str = BUCKET) -> ReleaseDagBundle:
        return ReleaseDagBundle(
            name=name, bucket_name=bucket, prefix=RELEASES, version=version, refresh_interval=5
        )

    return make


def served(bundle: ReleaseDagBundle) -> str | None:
    version = bundle.get_current_version()
    return version.version if version else None


def texts(folder: Path) -> dict[str, str]:
    root = folder.resolve()
    return {str(p.relative_to(root)): p.read_text() for p in root.rglob("*") if p.is_file()}


def age_all(bundle: ReleaseDagBundle) -> None:
    """Make every file look old, as after some time."""
    for path in bundle.path.resolve().rglob("*.py"):
        os.utime(path, (1, 1))


def touched_files(bundle: ReleaseDagBundle) -> set[str]:
    root = bundle.path.resolve()
    return {str(p.relative_to(root)) for p in root.rglob("*.py") if p.stat().st_mtime > 1}


def test_serves_the_current_release_when_initialized(
    publisher: DagFolder, make_bundle: MakeBundle
) -> None:
    release = publisher.become({"a.py": DAG, "lib/b.py": "B = 1"})
    bundle = make_bundle()
    bundle.initialize()
    assert served(bundle) == release
    assert texts(bundle.path) == {"a.py": DAG, "lib/b.py": "B = 1"}


def test_names_the_contents_of_the_release_that_it_serves(
    publisher: DagFolder, make_bundle: MakeBundle
) -> None:
    publisher.become({"a.py": DAG})
    release = publisher.become({"a.py": DAG, "lib/b.py": "B = 1"})
    bundle = make_bundle()
    bundle.initialize()
    folder, hashes = bundle.contents(release)
    assert {path: hashlib.sha256((folder / path).read_bytes()).hexdigest() for path in hashes} == (
        hashes
    )
    assert set(hashes) == {"a.py", "lib/b.py"}


def test_is_empty_when_nothing_has_been_published(make_bundle: MakeBundle) -> None:
    bundle = make_bundle()
    bundle.initialize()
    bundle.refresh()
    assert served(bundle) is None
    assert texts(bundle.path) == {}


def test_serves_the_first_release_after_an_empty_start(
    publisher: DagFolder, make_bundle: MakeBundle
) -> None:
    bundle = make_bundle()
    bundle.initialize()
    release = publisher.become({"a.py": DAG})
    bundle.refresh()
    assert served(bundle) == release
    assert texts(bundle.path) == {"a.py": DAG}


def test_sends_one_request_when_nothing_changed(
    publisher: DagFolder, make_bundle: MakeBundle, s3: InMemoryS3
) -> None:
    publisher.become({"a.py": DAG})
    bundle = make_bundle()
    bundle.initialize()
    s3.requests.clear()
    bundle.refresh()
    assert s3.requests == [("get", "releases/current.json")]


@pytest.fixture
def many() -> dict[str, str]:
    return {f"dag_{n}.py": DAG + str(n) + "#" * 3000 for n in range(200)}


def test_sends_three_requests_when_the_disk_is_empty(
    publisher: DagFolder, make_bundle: MakeBundle, s3: InMemoryS3, many: dict[str, str]
) -> None:
    publisher.become(many)
    files = many | {"dag_1.py": DAG + "changed"}
    release = publisher.become(files)
    s3.requests.clear()
    bundle = make_bundle()
    bundle.initialize()
    archive = publisher.manifest(release)["archive"]["name"]
    assert archive != release
    assert s3.requests == [
        ("get", "releases/current.json"),
        ("get", f"releases/{release}.gz"),
        ("get", f"releases/archives/{archive}.gz"),
    ]
    assert texts(bundle.path) == files


def test_sends_two_requests_for_the_next_release(
    publisher: DagFolder, make_bundle: MakeBundle, s3: InMemoryS3, many: dict[str, str]
) -> None:
    publisher.become(many)
    bundle = make_bundle()
    bundle.initialize()
    release = publisher.become(many | {"dag_1.py": DAG + "changed"})
    s3.requests.clear()
    bundle.refresh()
    assert s3.requests == [("get", "releases/current.json"), ("get", f"releases/{release}.gz")]
    assert texts(bundle.path)["dag_1.py"] == DAG + "changed"


def test_sends_no_request_when_a_task_uses_a_cached_release(
    publisher: DagFolder, make_bundle: MakeBundle, s3: InMemoryS3
) -> None:
    release = publisher.become({"a.py": DAG})
    make_bundle(version=release).initialize()
    s3.requests.clear()
    make_bundle(version=release).initialize()
    assert s3.requests == []


def test_names_the_disk_and_recovers_when_it_was_full(
    publisher: DagFolder, make_bundle: MakeBundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = publisher.become({"a.py": DAG})
    bundle = make_bundle()
    bundle.initialize()
    second = publisher.become({"a.py": DAG, "b.py": DAG + "b", "c/d.py": DAG + "d"})
    link, links = os.link, []

    def full(source: Path, target: Path) -> None:
        links.append(target)
        if len(links) > 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        link(source, target)

    monkeypatch.setattr(os, "link", full)
    with pytest.raises(DiskFullError, match="ephemeral storage"):
        bundle.refresh()
    assert served(bundle) == first
    assert [path.name for path in bundle.versions_dir.iterdir()] == [first]
    monkeypatch.setattr(os, "link", link)
    bundle.refresh()
    assert served(bundle) == second
    assert set(texts(bundle.path)) == {"a.py", "b.py", "c/d.py"}


def test_keeps_its_path_when_the_release_changes(
    publisher: DagFolder, make_bundle: MakeBundle
) -> None:
    publisher.become({"a.py": DAG})
    bundle = make_bundle()
    bundle.initialize()
    before = bundle.path
    publisher.become({"a.py": DAG + "2"})
    bundle.refresh()
    assert bundle.path == before


def test_keeps_the_release_of_a_run_when_another_is_published(
    publisher: DagFolder, make_bundle: MakeBundle
) -> None:
    first = publisher.become({"a.py": DAG + "1"})
    publisher.become({"a.py": DAG + "2"})
    pinned = make_bundle(version=first)
    pinned.initialize()
    assert texts(pinned.path) == {"a.py": DAG + "1"}
    with pytest.raises(RuntimeError, match="pinned"):
        pinned.refresh()


TAMPERED = "from os import environ  # "


@pytest.mark.parametrize("way", ["in place", "same size", "only its mode"])
def test_code_changed_under_one_release_is_not_served_as_the_next(
    publisher: DagFolder, make_bundle: MakeBundle, way: str
) -> None:
    first = publisher.become({"a.py": DAG, "lib/b.py": "B = 1", "c.py": DAG})
    bundle = make_bundle()
    bundle.initialize()
    # A DAG's code may do this: it runs as the user that owns the files.
    for name, text in (("a.py", DAG), ("lib/b.py", "B = 1")):
        path = bundle.path.resolve() / name
        changed = {"in place": TAMPERED, "same size": "X" * len(text), "only its mode": text}
        path.chmod(0o644)
        path.write_text(changed[way])
    publisher.become({"a.py": DAG, "lib/b.py": "B = 1", "c.py": DAG + "2"})

    bundle.refresh()

    assert served(bundle) != first
    assert texts(bundle.path) == {"a.py": DAG, "lib/b.py": "B = 1", "c.py": DAG + "2"}
    modes = {path.stat().st_mode & 0o777 for path in bundle.path.resolve().rglob("*.py")}
    assert modes == {0o444}


def test_follows_the_pointer_back_when_rolled_back(
    publisher: DagFolder, make_bundle: MakeBundle
) -> None:
    first = publisher.become({"a.py": DAG + "1"})
    publisher.become({"a.py": DAG + "2"})
    bundle = make_bundle()
    bundle.initialize()
    Promoter(publisher.publisher()).promote(first, "", hold=False)
    bundle.refresh()
    assert served(bundle) == first
    assert texts(bundle.path) == {"a.py": DAG + "1"}


def test_touches_a_changed_dag_twice(publisher: DagFolder, make_bundle: MakeBundle) -> None:
    publisher.become({"a.py": DAG, "b.py": DAG})
    bundle = make_bundle()
    bundle.initialize()
    age_all(bundle)
    publisher.become({"a.py": DAG + "2", "b.py": DAG})
    bundle.refresh()
    assert touched_files(bundle) == {"a.py"}
    age_all(bundle)
    bundle.refresh()
    assert touched_files(bundle) == {"a.py"}
    age_all(bundle)
    bundle.refresh()
    assert touched_files(bundle) == set()


@pytest.mark.parametrize("after", [{"lib/m.py": "M = 2"}, {}], ids=["changed", "removed"])
def test_touches_every_file_when_a_module_changed(
    publisher: DagFolder, make_bundle: MakeBundle, after: dict[str, str]
) -> None:
    publisher.become({"a.py": DAG, "b.py": DAG + "b", "lib/m.py": "M = 1"})
    bundle = make_bundle()
    bundle.initialize()
    age_all(bundle)
    publisher.become({"a.py": DAG, "b.py": DAG + "b", **after})
    bundle.refresh()
    assert touched_files(bundle) == {"a.py", "b.py", *after}


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[: len(data) // 2],
        lambda data: data[:-1],
        lambda data: b"",
        lambda data: b"x",
    ],
    ids=["truncated", "a byte short", "empty", "other"],
)
def test_serves_the_former_release_when_the_new_one_is_damaged(
    publisher: DagFolder, make_bundle: MakeBundle, s3: InMemoryS3, damage: Callable[[bytes], bytes]
) -> None:
    first = publisher.become({"a.py": DAG})
    bundle = make_bundle()
    bundle.initialize()
    second = publisher.become({"a.py": DAG + "2"})
    s3.put(f"{RELEASES}{second}.gz", damage(s3.data(f"{RELEASES}{second}.gz")))
    with pytest.raises(ReleaseIntegrityError, match=second):
        bundle.refresh()
    assert served(bundle) == first
    assert texts(bundle.path) == {"a.py": DAG}
    assert not (bundle.versions_dir / second).exists()


def test_leaves_no_lease_when_a_release_cannot_be_materialised(
    publisher: DagFolder, make_bundle: MakeBundle, s3: InMemoryS3
) -> None:
    release = publisher.become({"a.py": DAG})
    s3.put(f"{RELEASES}{release}.gz", b"damaged")
    bundle = make_bundle(version=release)
    with pytest.raises(ReleaseIntegrityError):
        bundle.initialize()
    assert not get_bundle_tracking_file(bundle.name, release).exists()


def test_keeps_its_release_when_airflow_cleans_up(
    publisher: DagFolder, make_bundle: MakeBundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__DAG_PROCESSOR__STALE_BUNDLE_CLEANUP_MIN_VERSIONS", "0")
    monkeypatch.setenv("AIRFLOW__DAG_PROCESSOR__STALE_BUNDLE_CLEANUP_AGE_THRESHOLD", "-1")
    first = publisher.become({"a.py": DAG + "1"})
    pinned = make_bundle(version=first)
    pinned.initialize()
    second = publisher.become({"a.py": DAG + "2"})
    abandoned = make_bundle(version=second)
    abandoned.initialize()
    assert abandoned._lease is not None
    abandoned._lease.release()
    BundleUsageTrackingManager()._remove_stale_bundle_versions_for_bundle(pinned.name)
    assert texts(pinned.path) == {"a.py": DAG + "1"}
    assert not abandoned.path.exists()


def test_removes_files_of_removed_releases(publisher: DagFolder, make_bundle: MakeBundle) -> None:
    publisher.become({"a.py": DAG + "1"})
    bundle = make_bundle()
    bundle.initialize()
    former = bundle.path.resolve()
    publisher.become({"a.py": DAG + "2"})
    bundle.refresh()
    shutil.rmtree(former)
    publisher.become({"a.py": DAG + "3"})
    bundle.refresh()
    blobs = {path.read_text() for path in (bundle.base_dir / "blobs").glob("*/*")}
    assert blobs == {DAG + "2", DAG + "3"}


def test_names_the_bucket_when_it_does_not_exist(make_bundle: MakeBundle) -> None:
    with pytest.raises(ReleaseUnavailableError, match="'nowhere' does not exist"):
        make_bundle(bucket="nowhere").initialize()


def test_names_the_release_when_its_manifest_is_missing(make_bundle: MakeBundle) -> None:
    release = "20260101T000000Z-0123456789"
    with pytest.raises(ReleaseUnavailableError, match=release):
        make_bundle(version=release).initialize()


def test_keeps_serving_when_s3_fails(
    publisher: DagFolder, make_bundle: MakeBundle, s3: InMemoryS3
) -> None:
    release = publisher.become({"a.py": DAG})
    bundle = make_bundle()
    bundle.initialize()

    def slow_down(when: str, operation: str, key: str) -> None:
        raise error("SlowDown", 503)

    s3.fault = slow_down
    with pytest.raises(ReleaseUnavailableError, match="SlowDown"):
        bundle.refresh()
    assert served(bundle) == release
    s3.fault = lambda *_: None
    bundle.refresh()
    assert texts(bundle.path) == {"a.py": DAG}


def test_process_of_a_task_finds_its_release_in_the_dags_folder(
    publisher: DagFolder, make_bundle: MakeBundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.sdk.execution_time import task_runner

    served_folders: list[Path] = []
    monkeypatch.setattr(dags_folder, "serve", served_folders.append)
    first = publisher.become({"a.py": DAG})
    publisher.become({"a.py": f"{DAG}2"})

    make_bundle(first).initialize()
    assert served_folders == []
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", object(), raising=False)
    bundle = make_bundle(first)
    bundle.initialize()
    assert served_folders == [bundle.path]
    assert bundle.path.name == first


def test_folder_is_in_use_from_before_it_exists(
    publisher: DagFolder, make_bundle: MakeBundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Airflow's clean-up removes folders of releases that nobody uses."""
    release = publisher.become({"a.py": DAG})
    bundle = make_bundle(release)
    in_use: list[bool] = []
    materialise = ReleaseCache.materialise

    def watched(cache: ReleaseCache, name: str) -> None:
        in_use.append(get_bundle_tracking_file(bundle.name, name).exists())
        materialise(cache, name)

    monkeypatch.setattr(ReleaseCache, "materialise", watched)

    bundle.initialize()

    assert in_use == [True]


def test_nobody_may_write_into_a_release(publisher: DagFolder, make_bundle: MakeBundle) -> None:
    """Its files are the same files as those of other releases."""
    bundle = make_bundle(publisher.become({"a.py": DAG, "lib/b.py": "B = 1"}))
    bundle.initialize()

    files = [path for path in bundle.path.resolve().rglob("*") if path.is_file()]
    assert len(files) == 2
    # The mode, because root may write anyway.
    assert [path for path in files if path.stat().st_mode & 0o222] == []


def test_version_says_from_which_commit_it_comes(
    publisher: DagFolder, make_bundle: MakeBundle
) -> None:
    bundle = make_bundle()
    for commit in ("one", "two"):
        publisher.upload({"a.py": f"{DAG}{commit}".encode()}, origin={"commit": commit})
        publisher.publisher().publish()
        bundle.initialize() if commit == "one" else bundle.refresh()
        version = bundle.get_current_version()
        assert version.data == {"origin": {"commit": commit}}
    publisher.publish({"b.py": DAG})
    bundle.refresh()
    assert bundle.get_current_version().data is None


def test_same_release_from_another_commit_says_so(
    publisher: DagFolder, make_bundle: MakeBundle
) -> None:
    bundle = make_bundle()
    for commit in ("one", "two"):
        publisher.upload({"a.py": DAG.encode()}, origin={"commit": commit})
        publisher.publisher().publish()
        bundle.initialize() if commit == "one" else bundle.refresh()
    assert bundle.get_current_version().data == {"origin": {"commit": "two"}}
