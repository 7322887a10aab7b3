"""The publisher's adapters with S3 over HTTP: conditions, versions, claims, ten at a time."""

import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from contracts.release_reports import ExclusionReport, InUseReport, in_use_key
from publish_dags.aws.s3_claim import S3Claim
from publish_dags.aws.s3_dag_source import S3DagSource
from publish_dags.aws.s3_inbox import S3Inbox
from publish_dags.aws.s3_release_shelf import S3ReleaseShelf
from publish_dags.aws.s3_release_store import S3ReleaseStore
from publish_dags.burst import BurstPublisher
from publish_dags.checks.limits import Limits
from publish_dags.history import retention
from publish_dags.history.promotion import Promoter
from publish_dags.ports import NoSuchReleaseError, SourceChangedError
from publish_dags.publisher import Outcome, Publisher

from ..conftest import EmbeddedAws


class Folder:
    def __init__(self, s3: Any) -> None:
        self.s3 = s3
        self.bucket = f"dags-{uuid.uuid4().hex[:8]}"
        s3.create_bucket(Bucket=self.bucket)
        s3.put_bucket_versioning(Bucket=self.bucket, VersioningConfiguration={"Status": "Enabled"})

    def put(self, key: str, data: bytes) -> None:
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=data)

    def publisher(self, strict: bool = False) -> Publisher:
        return Publisher(
            source=S3DagSource(self.s3, self.bucket, "dags/"),
            inbox=S3Inbox(self.s3, self.bucket, "inbox/"),
            releases=S3ReleaseStore(self.s3, self.bucket, "releases/"),
            limits=Limits(1000, 10_000_000),
            now=lambda: datetime.now(UTC),
            strict=strict,
        )

    def claim(self) -> S3Claim:
        return S3Claim(self.s3, self.bucket, "releases/")

    def paths(self) -> set[str]:
        releases = self.publisher().releases
        pointer = releases.pointer()
        assert pointer is not None
        return set(releases.release(pointer.pointer.release).manifest.files)


@pytest.fixture
def folder(embedded_aws: EmbeddedAws) -> Iterator[Folder]:
    yield Folder(embedded_aws.client("s3"))


def test_changed_file_is_published_and_only_the_difference_stored(folder: Folder) -> None:
    folder.put("dags/ø ü/a+b.py", b"x = 1")
    folder.put("dags/big.txt", bytes(range(256)) * 2000)
    first = folder.publisher().publish()
    folder.put("dags/ø ü/a+b.py", b"x = 2")
    second = folder.publisher().publish()
    assert (first.outcome, second.outcome) == (Outcome.PUBLISHED, Outcome.PUBLISHED)
    assert second.files_read == 1
    assert folder.paths() == {"ø ü/a+b.py", "big.txt"}
    listed = folder.s3.list_objects_v2(Bucket=folder.bucket, Prefix="releases/archives/")
    assert listed["KeyCount"] == 1
    assert folder.publisher().publish().outcome is Outcome.UNCHANGED


def test_file_that_changed_after_the_listing_is_noticed(folder: Folder) -> None:
    folder.put("dags/a.py", b"x = 1")
    source = folder.publisher().source
    (file,) = source.list().files
    assert source.read(file) == b"x = 1"
    folder.put("dags/a.py", b"x = 2")
    with pytest.raises(SourceChangedError):
        source.read(file)
    folder.s3.delete_object(Bucket=folder.bucket, Key="dags/a.py")
    with pytest.raises(SourceChangedError):
        source.read(file)


def test_ten_concurrent_publishers_lose_nothing(folder: Folder) -> None:
    def put_and_publish(number: int) -> Outcome:
        folder.put(f"dags/f{number}.py", b"")
        return folder.publisher().publish().outcome

    with ThreadPoolExecutor(10) as pool:
        outcomes = list(pool.map(put_and_publish, range(10)))
    assert set(outcomes) <= {Outcome.PUBLISHED, Outcome.UNCHANGED}
    # No further call is needed: publishers that were overtaken have started over.
    assert folder.paths() == {f"f{number}.py" for number in range(10)}


def test_rollback_and_history(folder: Folder) -> None:
    folder.put("dags/a.py", b"x = 1")
    first = folder.publisher().publish().release
    folder.put("dags/a.py", b"x = 2")
    second = folder.publisher().publish().release
    promoter = Promoter(folder.publisher())
    assert promoter.promote("previous", "alice", hold=False).release == first
    assert folder.publisher().publish().outcome is Outcome.UNCHANGED
    history = [(each["release"], each["reason"]) for each in promoter.history(3)]
    assert history == [(first, "promoted"), (second, "folder"), (first, "folder")]


def wait_for_the_next_second() -> None:
    """S3 gives times in whole seconds; objects of the same second have no order."""
    time.sleep(1.0 - time.time() % 1.0)


def test_files_that_no_run_needs_are_removed(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    # All of it happens within seconds, so only the current release is a recent one.
    monkeypatch.setattr(retention, "_GRACE", timedelta(0))
    big = bytes(range(256)) * 2000
    releases = []
    for number in range(4):
        folder.put("dags/a.py", b"x = %d" % number)
        folder.put("dags/big.txt", big if number else big[::-1])
        releases.append(folder.publisher().publish().release)
        wait_for_the_next_second()
    shelf = S3ReleaseShelf(folder.s3, folder.bucket, "releases/")
    keeping_two = retention.Retention(shelf, shelf, count=2, days=30)
    assert "has not reported yet" in keeping_two.retire().blocked
    folder.put(in_use_key("releases/"), InUseReport({str(releases[1]): None}).to_bytes())
    assert keeping_two.retire().releases == (releases[0],)
    assert shelf.kept() == set(releases[1:])
    assert shelf.archive_of(str(releases[3])) == releases[1]
    with pytest.raises(NoSuchReleaseError, match="no longer kept"):
        Promoter(folder.publisher()).promote(str(releases[0]), "alice", hold=False)
    # The removed object remains as an old version, in case it is needed.
    versions = folder.s3.list_object_versions(
        Bucket=folder.bucket, Prefix=f"releases/{releases[0]}.gz"
    )
    assert len(versions["Versions"]) == len(versions["DeleteMarkers"]) == 1


def test_refusal_is_reported_and_cleared_after_the_correction(folder: Folder) -> None:
    folder.put("dags/a.py", b"from airflow.sdk import DAG\ndef")
    assert folder.publisher(strict=True).publish().outcome is Outcome.REFUSED
    assert folder.publisher(strict=True).publish(again=False).known
    folder.put("dags/a.py", b"")
    assert folder.publisher(strict=True).publish().outcome is Outcome.PUBLISHED
    assert folder.publisher().releases.refused_folder() is None


def test_file_that_stays_out_is_reported_beside_its_release(folder: Folder) -> None:
    folder.put("dags/a.py", b"from airflow.sdk import DAG\ndef")
    folder.put("dags/b.py", b"")
    folder.put("dags//odd.py", b"")
    release = folder.publisher().publish().release
    assert folder.paths() == {"b.py"}
    key = f"releases/{release}.exclusions.json"
    body = folder.s3.get_object(Bucket=folder.bucket, Key=key)["Body"].read()
    report = ExclusionReport.from_bytes(body)
    assert [each.path for each in report.exclusions] == ["a.py", "dags//odd.py"]


def test_one_of_several_concurrent_calls_handles_a_burst(folder: Folder) -> None:
    folder.put("dags/a.py", b"")
    holder = folder.claim()
    assert holder.take()
    others = BurstPublisher(folder.publisher(), folder.claim(), lambda seconds: None)
    assert others.publish_change().outcome is Outcome.LEFT
    holder.free()
    assert others.publish_change().outcome is Outcome.PUBLISHED
    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda _: folder.claim().take(), range(8)))
    assert taken.count(True) == 1
