"""A promotion moves the pointer, and stays until something changes."""

import pytest
from dag_folder import DagFolder
from in_memory_s3 import error

from publish_dags.history.promotion import Promoter
from publish_dags.ports import NoSuchReleaseError
from publish_dags.publisher import Outcome


@pytest.fixture
def folder():
    folder = DagFolder()
    folder.first = folder.publish({"a.py": "x = 1"}).release
    folder.second = folder.publish({"a.py": "x = 2", "b.py": ""}).release
    return folder


def promoter(folder):
    return Promoter(folder.publisher())


@pytest.mark.parametrize("name", ["first", "previous"])
def test_promotion_makes_a_former_release_current(folder, name):
    pointer = promoter(folder).promote(getattr(folder, name, name), "alice", hold=False)
    assert pointer.release == folder.first
    assert folder.current_files == {"a.py": b"x = 1"}
    assert folder.pointer["changes"]["paths"] == ["~ a.py", "- b.py"]


def test_promoted_release_stays_current_when_nothing_changes(folder):
    promoter(folder).promote(folder.first, "alice", hold=False)
    assert folder.publish().outcome is Outcome.UNCHANGED
    # Uploading the same content again, as a pipeline does, is not a change.
    assert folder.publish({"a.py": "x = 2"}).outcome is Outcome.UNCHANGED
    assert folder.pointer["release"] == folder.first


def test_publishes_the_folder_when_it_changes_after_a_promotion(folder):
    promoter(folder).promote(folder.first, "alice", hold=False)
    assert folder.publish({"a.py": "x = 3"}).outcome is Outcome.PUBLISHED
    assert folder.current_files == {"a.py": b"x = 3", "b.py": b""}


def test_release_promoted_with_a_hold_stays_current_whatever_changes(folder):
    promoter(folder).promote(folder.first, "alice", hold=True)
    assert folder.publish({"a.py": "x = 3"}).outcome is Outcome.HELD
    assert folder.pointer["release"] == folder.first
    promoter(folder).resume("bob")
    assert folder.publish().outcome is Outcome.PUBLISHED


def test_promotion_also_replaces_a_zip_release(folder):
    folder.upload({"z.py": b""})
    assert folder.publish().outcome is Outcome.PUBLISHED
    promoter(folder).promote(folder.first, "alice", hold=False)
    assert folder.publish().outcome is Outcome.UNCHANGED


def test_promotion_is_refused_when_the_release_is_not_kept(folder):
    with pytest.raises(NoSuchReleaseError, match="20260101T000000Z-0123456789"):
        promoter(folder).promote("20260101T000000Z-0123456789", "", hold=False)
    assert folder.pointer["release"] == folder.second


def test_promotion_of_previous_is_refused_when_there_is_none():
    folder = DagFolder()
    folder.publish()
    with pytest.raises(NoSuchReleaseError, match="No release was current before"):
        promoter(folder).promote("previous", "", hold=False)


def test_promotion_is_repeated_when_another_call_publishes(folder):
    def fault(when, operation, key):
        if (when, operation, key) == ("before", "put", "releases/current.json"):
            folder.s3.fault = lambda *_: None
            raise error("PreconditionFailed", 412)

    folder.s3.fault = fault
    assert promoter(folder).promote(folder.first, "", hold=False).release == folder.first


def test_history_lists_the_last_moves_of_the_pointer(folder):
    folder.s3.clock.sleep(1)
    promoter(folder).promote(folder.first, "alice", hold=True)
    history = promoter(folder).history(2)
    assert [(each["release"], each["reason"], each["by"]) for each in history] == [
        (folder.first, "promoted", "alice"), (folder.second, "folder", ""),
    ]  # fmt: skip
    assert history[0]["at"] > history[1]["at"]
    assert history[1]["changes"]["added"] == 1


def test_history_and_rollback_know_the_commit(folder):
    folder.upload({"a.py": b"x = 3"}, "three.zip", {"commit": "three"})
    folder.publish()
    folder.upload({"a.py": b"x = 4"}, "four.zip", {"commit": "four"})
    folder.publish()
    promoter(folder).promote("previous", "alice", hold=False)
    entries = promoter(folder).history(10)
    assert [each.get("origin") for each in entries[:4]] == [
        {"commit": "three"}, {"commit": "four"}, {"commit": "three"}, None,
    ]  # fmt: skip
