"""Publishing: all or nothing, only what changed is read, nobody is overwritten."""

import hashlib
from datetime import UTC, datetime, timedelta

import pytest

from publish_dags.ports import (
    ConcurrentReleaseError,
    CurrentRelease,
    SourceChangedError,
    SourceFile,
    SourceListing,
)
from publish_dags.publisher import QUIET_SECONDS, Outcome, Publisher, PublishingContendedError
from shared.release_manifest import ReleaseFile, ReleaseManifest

START = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


class Clock:
    def __init__(self):
        self.moment = START
        self.after_sleep = lambda: None

    def now(self):
        return self.moment

    def sleep(self, seconds):
        self.moment += timedelta(seconds=seconds)
        self.after_sleep()


class InMemoryDagSource:
    """A versioned folder."""

    def __init__(self, clock):
        self.clock = clock
        self.versions = {}
        self.latest = {}
        self.changes = {}
        self.reads = []
        self.before_read = lambda file: None

    def put(self, path, data=b"x = 1\n"):
        version = f"version-{len(self.changes)}"
        self.versions[version] = data
        self.latest[path] = version
        self.changes[version] = self.clock.moment
        return version

    def delete(self, path):
        del self.latest[path]
        marker = f"marker-{len(self.changes)}"
        self.changes[marker] = self.clock.moment
        return marker

    def list(self):
        files = [SourceFile(path, f"dags/{path}", each) for path, each in self.latest.items()]
        return SourceListing(files, dict(self.changes))

    def read(self, file):
        self.before_read(file)
        self.reads.append(file.path)
        data = self.versions[file.version_id]
        yield data[:3]
        yield data[3:]


class InMemoryReleaseStore:
    def __init__(self):
        self.manifests = {}
        self.pointer = None
        self.mark = 0
        self.refusal = None
        self.before_move = lambda: None

    def current(self):
        if self.pointer is None:
            return None
        return CurrentRelease(
            self.pointer, str(self.mark), self.manifests.get(self.pointer.release)
        )

    def add(self, manifest):
        self.manifests.setdefault(manifest.release, manifest)

    def refresh(self, manifest):
        assert manifest.release in self.manifests
        self.manifests[manifest.release] = manifest

    def point_to(self, pointer, mark):
        self.before_move()
        if mark != (str(self.mark) if self.pointer else None):
            raise ConcurrentReleaseError
        # Readers may follow the pointer at once.
        assert pointer.release in self.manifests
        self.pointer = pointer
        self.mark += 1

    def report_refusal(self, report):
        self.refusal = report

    def clear_refusal(self):
        self.refusal = None


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def publisher(clock):
    return Publisher(InMemoryDagSource(clock), InMemoryReleaseStore(), clock.now, clock.sleep)


def later(publisher, clock, publish=True):
    clock.sleep(60)
    publisher.source.reads.clear()
    return publisher.publish() if publish else None


def test_publishes_all_files_when_there_is_no_release_yet(publisher):
    version = publisher.source.put("a.py")
    publisher.source.put("sub/data.csv", b"not,python")
    publication = publisher.publish()
    assert publication.outcome is Outcome.PUBLISHED
    assert publication.files == publication.files_read == 2
    manifest = publisher.releases.manifests[publication.release]
    assert manifest.files["a.py"] == ReleaseFile(
        "dags/a.py", version, hashlib.sha256(b"x = 1\n").hexdigest(), 6
    )
    assert publisher.releases.pointer.release == manifest.release
    assert manifest.release.startswith("20260301T120000Z-")
    assert publisher.releases.pointer.published_at == "2026-03-01T12:00:00+00:00"


def test_publishes_an_empty_release_when_there_are_no_files(publisher):
    publication = publisher.publish()
    assert publication.outcome is Outcome.PUBLISHED
    assert publisher.releases.manifests[publication.release].files == {}
    assert publisher.publish().outcome is Outcome.UNCHANGED


def test_publishes_an_empty_release_when_the_last_file_was_deleted(publisher, clock):
    publisher.source.put("a.py")
    publisher.publish()
    publisher.source.delete("a.py")
    assert later(publisher, clock).outcome is Outcome.PUBLISHED


def test_reads_only_the_changed_file_when_one_of_many_changes(publisher, clock):
    for number in range(50):
        publisher.source.put(f"dag_{number}.py")
    publisher.publish()
    publisher.source.put("dag_7.py", b"x = 2\n")
    publication = later(publisher, clock)
    assert publication.outcome is Outcome.PUBLISHED
    assert publisher.source.reads == ["dag_7.py"]
    assert publication.files == 50


def test_publishes_nothing_when_nothing_has_changed(publisher, clock):
    publisher.source.put("a.py")
    first = publisher.publish()
    second = later(publisher, clock)
    assert second.outcome is Outcome.UNCHANGED
    assert second.release == first.release
    assert publisher.source.reads == []
    assert len(publisher.releases.manifests) == 1


def test_keeps_the_release_but_names_the_new_versions_when_the_same_is_uploaded_again(
    publisher, clock
):
    publisher.source.put("a.py")
    first = publisher.publish()
    version = publisher.source.put("a.py")
    second = later(publisher, clock)
    assert (second.outcome, second.release) == (Outcome.UNCHANGED, first.release)
    # The old version is noncurrent now and will be removed one day.
    assert publisher.releases.manifests[first.release].files["a.py"].version_id == version


def test_publishes_when_a_file_is_renamed(publisher, clock):
    publisher.source.put("a.py")
    publisher.publish()
    publisher.source.delete("a.py")
    publisher.source.put("b.py")
    assert later(publisher, clock).outcome is Outcome.PUBLISHED


def test_refuses_and_leaves_the_current_release_when_a_file_does_not_compile(publisher, clock):
    publisher.source.put("good.py")
    first = publisher.publish()
    publisher.source.put("bad.py", b"def f(:\n")
    publisher.source.put("worse.py", b"return\n")
    publisher.source.put("not_python.txt", b"def f(:\n")
    publication = later(publisher, clock)
    assert publication.outcome is Outcome.REFUSED
    assert publication.release == first.release
    assert [problem.path for problem in publication.problems] == ["bad.py", "worse.py"]
    assert publisher.releases.pointer.release == first.release
    assert len(publisher.releases.manifests) == 1
    report = publisher.releases.refusal
    assert report["current_release"] == first.release
    assert report["refused_at"] == "2026-03-01T12:01:00+00:00"
    assert report["problems"][0] == {
        "path": "bad.py",
        "line": 1,
        "reason": publication.problems[0].reason,
    }


def test_refuses_when_there_is_no_release_yet(publisher):
    publisher.source.put("bad.py", b"def f(:\n")
    assert publisher.publish().outcome is Outcome.REFUSED
    assert publisher.releases.pointer is None
    assert publisher.releases.manifests == {}


@pytest.mark.parametrize("path", ["../a.py", "/a.py", "a//b.py", "x\ny.py"])
def test_refuses_without_reading_when_a_path_leads_out_of_the_folder(publisher, path):
    publisher.source.put(path)
    publication = publisher.publish()
    assert publication.outcome is Outcome.REFUSED
    assert publication.problems[0].reason.startswith("the path ")
    assert publisher.source.reads == []


def test_publishes_and_clears_the_report_when_a_refused_file_is_mended(publisher, clock):
    publisher.source.put("a.py", b"def f(:\n")
    publisher.publish()
    publisher.source.put("a.py")
    assert later(publisher, clock).outcome is Outcome.PUBLISHED
    assert publisher.releases.refusal is None


def test_clears_the_report_when_a_refused_file_is_taken_back(publisher, clock):
    publisher.source.put("a.py")
    publisher.publish()
    publisher.source.put("bad.py", b"def f(:\n")
    later(publisher, clock)
    publisher.source.delete("bad.py")
    assert later(publisher, clock).outcome is Outcome.UNCHANGED
    assert publisher.releases.refusal is None


def test_starts_over_with_the_new_sight_when_another_has_published_meanwhile(publisher, clock):
    publisher.source.put("a.py")
    other = Publisher(publisher.source, publisher.releases, clock.now, clock.sleep)

    def interfere():
        publisher.releases.before_move = lambda: None
        publisher.source.put("b.py")
        clock.sleep(1)
        other.publish()

    publisher.releases.before_move = interfere
    publication = publisher.publish()
    # The other had published both files already: the older sight did not overwrite it.
    assert publication.outcome is Outcome.UNCHANGED
    assert set(publisher.releases.current().manifest.files) == {"a.py", "b.py"}


def test_starts_over_when_a_file_disappears_while_it_is_read(publisher):
    publisher.source.put("a.py")
    publisher.source.put("b.py")

    def disappear(file):
        publisher.source.before_read = lambda file: None
        publisher.source.delete("b.py")
        raise SourceChangedError

    publisher.source.before_read = disappear
    publication = publisher.publish()
    assert publication.outcome is Outcome.PUBLISHED
    assert publication.files == 1


def test_gives_up_when_everything_changes_during_each_attempt(publisher):
    publisher.source.put("a.py")

    def contend():
        publisher.releases.mark += 1
        raise ConcurrentReleaseError

    publisher.releases.before_move = contend
    with pytest.raises(PublishingContendedError, match="each of 5 attempts"):
        publisher.publish()
    assert publisher.releases.pointer is None


def test_heals_when_the_current_manifest_is_lost(publisher, clock):
    publisher.source.put("a.py")
    publisher.publish()
    publisher.releases.manifests.clear()
    publication = later(publisher, clock)
    assert publication.outcome is Outcome.PUBLISHED
    assert publication.release in publisher.releases.manifests


def test_publishes_after_a_quiet_while_when_a_change_is_the_last(publisher, clock):
    version = publisher.source.put("a.py")
    assert publisher.publish_change(version).outcome is Outcome.PUBLISHED
    assert clock.moment == START + timedelta(seconds=QUIET_SECONDS)


def test_leaves_it_to_the_later_change_when_there_is_one(publisher, clock):
    first = publisher.source.put("a.py")
    clock.sleep(1)
    last = publisher.source.delete("a.py")
    assert publisher.publish_change(first).outcome is Outcome.SUPERSEDED
    assert publisher.publish_change(last).outcome is Outcome.PUBLISHED


def test_leaves_it_to_the_later_change_when_it_comes_in_the_quiet_while(publisher, clock):
    version = publisher.source.put("a.py")
    clock.after_sleep = lambda: publisher.source.put("b.py")
    assert publisher.publish_change(version).outcome is Outcome.SUPERSEDED
    assert publisher.releases.pointer is None


@pytest.mark.parametrize("version", [None, "removed-for-good"])
def test_publishes_when_the_version_of_a_change_is_not_known(publisher, version):
    publisher.source.put("a.py")
    assert publisher.publish_change(version).outcome is Outcome.PUBLISHED


def test_makes_one_release_of_a_burst_when_every_change_calls(publisher, clock):
    versions = []
    for number in range(100):
        versions.append(publisher.source.put(f"dag_{number}.py"))
        clock.sleep(0.05)
    outcomes = [publisher.publish_change(version).outcome for version in versions]
    assert outcomes == [Outcome.SUPERSEDED] * 99 + [Outcome.PUBLISHED]
    (manifest,) = publisher.releases.manifests.values()
    assert isinstance(manifest, ReleaseManifest)
    assert len(manifest.files) == 100
