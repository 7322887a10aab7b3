"""The fault table: wherever a publisher is killed, throttled or overtaken, nothing is lost and
nothing wrong is served. After each fault the next publisher publishes the folder's content."""

from dataclasses import replace
from datetime import timedelta

import pytest
from dag_folder import DagFolder, dag
from in_memory_s3 import error
from s3_faults import KilledError, at, raising

from publish_dags.aws.s3_claim import CLAIM_LASTS, S3Claim
from publish_dags.burst import QUIET_SECONDS, BurstPublisher
from publish_dags.history.promotion import Promoter
from publish_dags.publisher import Outcome
from shared.errors import AwsCallError

OLD = {"a.py": dag("a"), "b.csv": b"x = 1\n" * 60_000}
NEW = {"a.py": dag("a", "x = 2"), "b.csv": b"x = 2\n" * 60_000}


def publishing_requests():
    folder = prepared()
    folder.publisher().publish()
    return folder.s3.requests


def prepared():
    """A release, and a folder that has changed so much that an archive is written."""
    folder = DagFolder()
    folder.publish(dict(OLD))
    folder.change(dict(NEW))
    folder.s3.requests.clear()
    return folder


STEPS = [
    pytest.param(when, number, id=f"{when} {number} {operation} {key.split('/')[-1][-14:]}")
    for number, (operation, key) in enumerate(publishing_requests())
    for when in ("before", "after")
    # Only the last answer is missing.
    if (when, number) != ("after", len(publishing_requests()) - 1)
]


@pytest.mark.parametrize(("when", "number"), STEPS)
def test_next_publisher_finishes_when_one_was_killed(when, number):
    folder = prepared()
    folder.s3.fault = at(number, when, raising(KilledError()))
    with pytest.raises(KilledError):
        folder.publisher().publish()
    folder.s3.fault = lambda *_: None
    # A reader gets the one release or the other, complete.
    assert folder.current_files in (OLD, NEW)
    folder.s3.clock.sleep(1)
    folder.publisher().publish()
    assert folder.current_files == NEW
    assert folder.publisher().publish().outcome is Outcome.UNCHANGED


@pytest.mark.parametrize("code", ["SlowDown", "InternalError", "503"])
@pytest.mark.parametrize(
    ("when", "number"), [step.values for step in STEPS if "before" in step.values]
)
def test_next_publisher_finishes_when_s3_failed(when, number, code):
    folder = prepared()
    folder.s3.fault = at(number, when, raising(error(code, 503)))
    with pytest.raises(AwsCallError):
        folder.publisher().publish()
    folder.s3.fault = lambda *_: None
    assert folder.current_files in (OLD, NEW)
    folder.publisher().publish()
    assert folder.current_files == NEW


def test_recognizes_its_own_release_when_the_answer_to_the_pointer_write_was_lost():
    folder = prepared()

    def fault(when, operation, key):
        # The SDK repeats the request, which finds that this call has already moved the pointer.
        if (when, operation, key) == ("after", "put", "releases/current.json"):
            folder.s3.fault = lambda *_: None
            raise error("PreconditionFailed", 412)

    folder.s3.fault = fault
    assert folder.publisher().publish().outcome is Outcome.UNCHANGED
    assert folder.current_files == NEW


@pytest.mark.parametrize("skew", [timedelta(days=-400), timedelta(days=400)])
def test_last_publication_counts_when_the_clock_is_wrong(skew):
    folder = DagFolder()
    true = folder.s3.clock.now
    releases = []
    for number in range(5):
        folder.change({"a.py": dag("a", f"x = {number}")})
        # Every other publisher has a wrong clock: only the ids show it.
        wrong = replace(folder.publisher(), now=lambda n=number: true() + skew * (n % 2))
        releases.append(wrong.publish().release)
    assert sorted(releases) != releases
    assert folder.current_files == {"a.py": dag("a", "x = 4")}
    history = Promoter(folder.publisher()).history(9)
    assert [each["release"] for each in history] == releases[::-1]
    folder.s3.clock.sleep(3600)
    folder.report_use()
    assert set(folder.retention(count=2).retire().releases) == set(releases[:3])
    assert Promoter(folder.publisher()).promote("previous", "x", False).release == releases[3]


def burst(folder):
    claim = S3Claim(folder.s3, "dags", "releases/")
    return BurstPublisher(folder.publisher(), claim, folder.s3.clock.sleep)


def test_publishes_a_burst_of_changes_once():
    folder = DagFolder()
    folder.change({"a.py": ""})
    first = burst(folder)
    outcomes = []
    # Each change comes during the wait, and its own call leaves it to the first call.
    folder.s3.clock.while_asleep = [
        lambda n=n: (
            folder.s3.put(f"dags/b{n}.py", b""),
            outcomes.append(burst(folder).publish_change().outcome),
        )
        for n in range(1, 6)
    ]
    assert first.publish_change().outcome is Outcome.PUBLISHED
    assert outcomes == [Outcome.LEFT] * 5
    assert len(folder.current_files) == 6
    assert len(folder.s3.keys("releases/2")) == 1


def test_waits_briefly_when_one_file_changed():
    folder = DagFolder()
    folder.change({"a.py": ""})
    before = folder.s3.clock.now()
    burst(folder).publish_change()
    assert (folder.s3.clock.now() - before).total_seconds() == QUIET_SECONDS


def test_publishes_again_when_a_change_arrives_during_publishing():
    folder = DagFolder()
    folder.change({"a.py": ""})
    left = []

    def fault(when, operation, key):
        if (when, operation, key) == ("after", "put", "releases/current.json"):
            folder.s3.fault = lambda *_: None
            folder.s3.put("dags/b.py", b"")
            left.append(burst(folder).publish_change().outcome)

    folder.s3.fault = fault
    burst(folder).publish_change()
    assert left == [Outcome.LEFT]
    assert set(folder.current_files) == {"a.py", "b.py"}


def test_takes_over_the_claim_of_a_publisher_that_was_killed():
    folder = DagFolder()
    folder.change({"a.py": ""})
    assert S3Claim(folder.s3, "dags", "releases/").take()
    assert burst(folder).publish_change().outcome is Outcome.LEFT
    folder.s3.clock.moment += CLAIM_LASTS
    assert burst(folder).publish_change().outcome is Outcome.PUBLISHED


def test_does_not_free_a_claim_that_another_has_taken_over():
    folder = DagFolder()
    slow, other = (S3Claim(folder.s3, "dags", "releases/") for _ in range(2))
    assert slow.take()
    folder.s3.clock.moment += CLAIM_LASTS
    assert other.take()
    slow.free()
    assert not S3Claim(folder.s3, "dags", "releases/").take()


def test_publishes_although_the_upload_never_pauses():
    folder = DagFolder()
    folder.s3.clock.while_asleep = [
        lambda n=n: folder.s3.put(f"dags/b{n}.py", b"") for n in range(500)
    ]  # fmt: skip
    assert burst(folder).publish_change().outcome is Outcome.PUBLISHED
