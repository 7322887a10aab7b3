"""Old releases are removed, but never one that a run may still need."""

import json
from datetime import timedelta

import pytest
from dag_folder import DagFolder, dag
from in_memory_s3 import error
from s3_faults import KilledError, at, raising

from publish_dags.history.promotion import Promoter
from publish_dags.ports import ConcurrentReleaseError, NoSuchReleaseError
from shared.errors import AwsCallError

LARGE = {f"data_{n}.csv": f"{n}".encode() * 60_000 for n in range(6)}


def published(count, base=None):
    """Publish so many releases an hour apart, the oldest first, then wait an hour."""
    folder = DagFolder()
    releases = []
    for number in range(count):
        files = {**(base or {}), "a.py": dag("a", f"x = {number}")}
        releases.append(folder.publish(files).release)
        folder.s3.clock.sleep(3600)
    return folder, releases


def kept(folder):
    return sorted(folder.publisher().releases.kept())


def promote(folder, release, hold=False):
    Promoter(folder.publisher()).promote(release, "test", hold)


def test_keeps_the_newest_when_no_run_needs_the_others():
    folder, releases = published(5)
    folder.report_use()
    retirement = folder.retention(count=2).retire()
    assert list(retirement.releases) == releases[:3]
    assert kept(folder) == releases[3:]
    assert folder.retention(count=2).retire().releases == ()


def test_does_not_read_the_report_when_no_release_is_due():
    folder, releases = published(3)
    folder.s3.requests.clear()
    assert folder.retention(count=3).retire().blocked == ""
    assert kept(folder) == releases
    assert ("get", "releases/in-use.json") not in folder.s3.requests


def test_keeps_what_a_run_needs_when_it_is_older_than_the_newest():
    folder, releases = published(6)
    ended = folder.s3.clock.now() - timedelta(days=29)
    forgotten = folder.s3.clock.now() - timedelta(days=31)
    folder.report_use({releases[0]: None, releases[1]: ended, releases[2]: forgotten})
    assert list(folder.retention(count=2, days=30).retire().releases) == releases[2:4]


def test_removes_nothing_when_airflow_never_reported():
    folder, releases = published(5)
    retirement = folder.retention().retire()
    assert "has not reported yet" in retirement.blocked
    assert kept(folder) == releases


def test_removes_nothing_when_the_report_is_old():
    folder, releases = published(5)
    folder.report_use()
    folder.s3.clock.sleep(31 * 60)
    assert "has not reported since 2026-03-01T" in folder.retention().retire().blocked
    assert kept(folder) == releases


@pytest.mark.parametrize(
    "report",
    [b"", b"[]", b"{}", b'{"schema": 1}', b'{"schema": 1, "releases": {"x": "yesterday"}}',
     b'{"schema": 1, "releases": {"x": "2026-01-01T00:00:00"}}', b'{"schema": 2, "releases": {}}'],
)  # fmt: skip
def test_removes_nothing_when_the_report_cannot_be_read(report):
    folder, releases = published(5)
    folder.s3.put("releases/in-use.json", report)
    assert folder.retention().retire().blocked
    assert kept(folder) == releases


def test_keeps_what_was_current_shortly_before_the_report():
    folder, releases = published(4)
    # A run may have started with releases[0] just after the query.
    promote(folder, releases[0])
    folder.s3.clock.sleep(60)
    folder.publish({"a.py": dag("a", "x = 9")})
    folder.s3.clock.sleep(60)
    folder.report_use()
    assert list(folder.retention(count=1).retire().releases) == releases[1:3]
    folder.s3.clock.sleep(3600)
    folder.report_use()
    assert releases[0] in folder.retention(count=1).retire().releases


def test_keeps_the_current_one_when_it_is_the_oldest():
    folder, releases = published(4)
    promote(folder, releases[0])
    folder.s3.clock.sleep(3600)
    folder.report_use()
    assert list(folder.retention(count=1).retire().releases) == releases[1:3]


def test_removes_nothing_when_a_release_is_held():
    folder, releases = published(5)
    promote(folder, releases[4], hold=True)
    folder.s3.clock.sleep(3600)
    folder.report_use()
    assert folder.retention().retire().releases == ()
    assert kept(folder) == releases


def test_removes_nothing_when_too_many_releases_became_current_recently():
    folder, releases = published(3)
    for _ in range(30):
        for release in releases[:2]:
            promote(folder, release)
    folder.report_use()
    assert "recently" in folder.retention(count=1).retire().blocked
    assert kept(folder) == releases


def test_keeps_an_archive_when_a_kept_release_shares_it():
    folder, _ = published(4, LARGE)
    assert len(folder.s3.keys("releases/archives/")) == 1, "all four share the first one's"
    folder.report_use()
    assert folder.retention(count=1).retire().archives == ()
    assert folder.current_files["a.py"] == dag("a", "x = 3")
    # With the next archive no release needs the first one any more.
    folder.publish({name: data + b"!" for name, data in LARGE.items()})
    folder.s3.clock.sleep(3600)
    folder.report_use()
    folder.retention(count=1).retire()
    archives = [f"releases/archives/{name}.gz" for name in kept(folder)]
    assert archives == folder.s3.keys("releases/archives/")
    assert folder.current_files["data_0.csv"] == LARGE["data_0.csv"] + b"!"


def test_keeps_every_archive_when_a_release_does_not_name_its_own():
    folder, _ = published(3, LARGE)
    folder.s3.put("releases/20200101T000000Z-0123456789.gz", b"no gzip")
    folder.s3.put("releases/archives/20200102T000000Z-0123456789.gz", b"")
    folder.s3.clock.sleep(7200)
    assert folder.retention(count=9).retire().archives == ()


def test_removes_an_archive_when_its_publisher_was_killed_long_ago():
    folder, _ = published(1, LARGE)
    folder.s3.put("releases/archives/20200102T000000Z-0123456789.gz", b"")
    assert folder.retention().retire().archives == ()
    folder.s3.clock.sleep(3601)
    assert folder.retention().retire().archives == ("20200102T000000Z-0123456789",)


def test_promotion_of_a_removed_release_is_refused():
    folder, releases = published(4)
    folder.report_use()
    folder.retention(count=2).retire()
    with pytest.raises(NoSuchReleaseError, match=f"{releases[0]} is no longer kept"):
        promote(folder, releases[0])
    # Also when the pointer does not list it.
    with pytest.raises(NoSuchReleaseError, match="20200101T000000Z-0123456789 cannot be read"):
        promote(folder, "20200101T000000Z-0123456789")


def test_history_tells_which_releases_are_kept():
    folder, releases = published(4)
    folder.report_use()
    folder.retention(count=2).retire()
    history = Promoter(folder.publisher()).history(10)
    assert [(each["release"], each["kept"]) for each in history] == [
        (releases[3], True), (releases[2], True), (releases[1], False), (releases[0], False),
    ]  # fmt: skip


def test_promotion_of_a_retiring_release_is_refused():
    folder, releases = published(4)
    folder.report_use()

    def killed_before_deleting(when, operation, key):
        if (when, operation) == ("before", "delete"):
            raise KilledError

    folder.s3.fault = killed_before_deleting
    with pytest.raises(KilledError):
        folder.retention(count=2).retire()
    folder.s3.fault = lambda *_: None
    # A release that is published in the meantime must keep it in the list.
    folder.publish({"a.py": dag("a", "x = 9")})
    assert releases[0] in kept(folder)
    with pytest.raises(NoSuchReleaseError, match="no longer kept"):
        promote(folder, releases[0])


def test_removes_nothing_when_a_release_is_promoted_at_the_same_time():
    folder, releases = published(4)
    folder.report_use()

    def promoting(when, operation, key):
        if (when, operation, key) == ("before", "put", "releases/current.json"):
            folder.s3.fault = lambda *_: None
            promote(folder, releases[0])

    folder.s3.fault = promoting
    assert folder.retention(count=2).retire().releases == ()
    assert kept(folder) == releases
    assert folder.pointer["release"] == releases[0]


def test_promotion_fails_when_a_removal_was_announced_in_the_meantime():
    folder, releases = published(4)
    folder.report_use()

    def retiring(when, operation, key):
        if (when, operation, key) == ("after", "get", f"releases/{releases[0]}.gz"):
            folder.s3.fault = lambda *_: None
            folder.retention(count=2).retire()

    folder.s3.fault = retiring
    with pytest.raises(NoSuchReleaseError):
        promote(folder, releases[0])
    assert folder.pointer["release"] == releases[3]
    assert folder.current_files == {"a.py": dag("a", "x = 3")}


def old_and_new():
    folder, releases = published(4, LARGE)
    releases.append(folder.publish({name: data + b"!" for name, data in LARGE.items()}).release)
    folder.s3.clock.sleep(3600)
    folder.report_use({releases[1]: None})
    folder.s3.requests.clear()
    return folder, releases


def retiring_requests():
    folder, _ = old_and_new()
    folder.retention(count=2).retire()
    return folder.s3.requests


STEPS = [(when, n) for n in range(len(retiring_requests())) for when in ("before", "after")]


@pytest.mark.parametrize("exception", [KilledError(), error("SlowDown", 503)], ids=["killed", "S3"])
@pytest.mark.parametrize(("when", "number"), STEPS)
def test_next_removal_finishes_the_work_of_one_that_was_killed(when, number, exception):
    folder, releases = old_and_new()
    needed = [releases[1], *releases[3:]]
    folder.s3.fault = at(number, when, raising(exception))
    with pytest.raises((KilledError, AwsCallError)):
        folder.retention(count=2).retire()
    folder.s3.fault = lambda *_: None
    # Everything that is needed can be read at any moment, including the unfinished run's release.
    assert_readable(folder, needed)
    folder.retention(count=2).retire()
    assert_readable(folder, needed)
    assert kept(folder) == needed
    assert folder.retention(count=2).retire().releases == ()


def assert_readable(folder, releases):
    store = folder.publisher().releases
    for release in releases:
        stored = store.release(release)
        there = set(stored.delta)
        if stored.manifest.archive:
            there |= dict(store.archive(stored.manifest.archive)).keys()
        assert {file.sha256 for file in stored.manifest.files.values()} <= there


def test_removes_the_rest_at_the_next_call_when_many_are_due():
    folder, releases = published(130)
    folder.report_use()
    assert len(folder.retention(count=2).retire().releases) == 100
    folder.retention(count=2).retire()
    assert kept(folder) == releases[-2:]
    assert len(json.dumps(folder.pointer)) < 20_000


def test_removes_nothing_when_the_pointer_was_moved(monkeypatch):
    folder, releases = published(4)
    folder.report_use()
    retention = folder.retention(count=2)

    def moved(*_):
        raise ConcurrentReleaseError("somebody published")

    monkeypatch.setattr(retention.releases, "point_to", moved)
    assert retention.retire().releases == ()
    assert kept(folder) == releases
