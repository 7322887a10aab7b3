"""Uploads, previews, promotions and comparisons, with the publisher on an in-memory bucket."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace

import pytest
from checked_projects import ROOT
from dag_folder import DagFolder, dag, zipped
from in_memory_s3 import BUCKET, InMemoryS3, error

from publish_dags.history.promotion import Promoter
from release_dags.comparison import compare, table
from release_dags.environments import Environment, ReleaseError
from release_dags.preview import markdown, preview
from release_dags.promotion import content_of, promote
from release_dags.upload import Uploader
from shared.dag_releases import DagReleases

ORIGIN = {"commit": "c0ffee", "build": "7", "url": "https://example.com/commit/c0ffee"}


def environment(folder: DagFolder, name: str = "dev", **known: dict[str, str]) -> Environment:
    return Environment(name, folder.s3, BUCKET, **known)


def uploader(folder: DagFolder, *meanwhile: Callable[[], object]) -> Uploader:
    """Between two looks something else happens: by default the publisher runs."""
    steps = list(meanwhile or [lambda: folder.publisher().publish()])

    def sleep(seconds: float) -> None:
        folder.s3.clock.sleep(seconds)
        if steps:
            steps.pop(0)()

    return Uploader(environment(folder), 60, sleep, now=lambda: folder.s3.clock.now().timestamp())


@pytest.fixture
def folder() -> DagFolder:
    return DagFolder(strict=True)


def test_upload_becomes_live_under_the_name_of_its_commit(folder):
    pointer = uploader(folder).publish("c0ffee", zipped({"a.py": b"x = 1"}), ORIGIN)
    assert (pointer.reason, pointer.origin) == ("inbox/c0ffee.zip", ORIGIN)
    assert folder.current_files == {"a.py": b"x = 1"}
    assert Promoter(folder.publisher()).history(1)[0]["origin"] == ORIGIN


def test_refused_upload_says_why_and_the_live_release_stays(folder):
    live = folder.publish({"a.py": "x = 1"}).release
    with pytest.raises(ReleaseError, match=r"bad\.zip was refused:\na\.py, line 2: "):
        uploader(folder).publish("bad", zipped({"a.py": b"import airflow # dag\nx = ("}), ORIGIN)
    assert folder.pointer["release"] == live


def test_newer_upload_wins_and_the_older_one_is_told(folder):
    def newer() -> None:
        folder.upload({"a.py": b"x = 'newer'"}, "newer.zip")
        folder.publisher().publish()

    with pytest.raises(ReleaseError, match=r"older\.zip was not published: inbox/newer\.zip came"):
        uploader(folder, newer).publish("older", zipped({"b.py": b"x = 'older'"}), ORIGIN)
    assert folder.current_files == {"a.py": b"x = 'newer'"}


def test_folder_that_changes_later_wins(folder):
    def later() -> None:
        folder.publish({"c.py": "x = 3"})

    with pytest.raises(ReleaseError, match="was not published: folder came later"):
        uploader(folder, later).publish("one", zipped({"b.py": b""}), ORIGIN)
    assert folder.current_files == {"c.py": b"x = 3"}


def test_push_back_to_a_former_commit_makes_it_live_again(folder):
    for commit, text in (("one", b"1"), ("two", b"2"), ("one", b"1")):
        uploader(folder).publish(commit, zipped({"a.txt": text}), {"commit": commit})
    assert folder.current_files == {"a.txt": b"1"}
    assert folder.pointer["origin"] == {"commit": "one"}


def test_report_of_an_earlier_refusal_is_not_taken_for_this_upload(folder):
    bad = zipped({"a.py": b"import airflow # dag\nx = ("})
    with pytest.raises(ReleaseError, match="was refused"):
        uploader(folder).publish("one", bad, ORIGIN)
    folder.s3.clock.sleep(60)
    uploader(folder).publish("one", zipped({"a.py": b"x = 1"}), ORIGIN)
    assert folder.current_files == {"a.py": b"x = 1"}


def test_held_release_is_named(folder):
    release = folder.publish({"a.py": "x = 1"}).release
    folder.publish({"a.py": "x = 2"})
    Promoter(folder.publisher()).promote(release, "alice", hold=True)
    with pytest.raises(ReleaseError, match=f"{release} is held by alice: resume first"):
        uploader(folder).publish("one", zipped({"b.py": b""}), ORIGIN)


def test_publisher_that_does_not_run_is_not_awaited_for_ever(folder):
    with pytest.raises(ReleaseError, match="was not published within 60 s"):
        uploader(folder, lambda: None).publish("one", zipped({"b.py": b""}), ORIGIN)


@pytest.mark.parametrize("operation", ["put", "head", "get"])
def test_permission_that_is_missing_ends_the_upload(folder, operation):
    def fault(when: str, asked: str, key: str) -> None:
        if (when, asked) == ("before", operation):
            raise error("AccessDenied", 403)

    folder.s3.fault = fault
    with pytest.raises(ReleaseError, match="AccessDenied"):
        uploader(folder, lambda: None).publish("one", zipped({"b.py": b""}), ORIGIN)


def test_origin_that_cannot_be_shown_is_refused(folder):
    with pytest.raises(ReleaseError, match="url cannot be 'javascript:1'"):
        uploader(folder).publish("one", zipped({"b.py": b""}), {"url": "javascript:1"})
    assert folder.s3.keys("inbox/") == []


def test_preview_shows_changes_and_writes_nothing(folder):
    folder.publish({"a.py": "x = 1", "gone.py": "", "same.py": ""})
    before = {key: len(versions) for key, versions in folder.s3.objects.items()}
    files = {"a.py": b"x = 2", "same.py": b"", "new`.py": b""}
    shown = markdown(preview(environment(folder), zipped(files), DagReleases()), "dev")
    assert "1 added, 1 changed, 1 removed, compared with the live release `2026" in shown
    assert "```diff\n+ new'.py\n! a.py\n- gone.py\n```\n" in shown
    assert before == {key: len(versions) for key, versions in folder.s3.objects.items()}


def test_preview_names_what_would_be_refused_or_stay_out(folder):
    live = folder.publish({"a.py": dag("a")}).release
    bad = zipped({"a.py": b"import airflow # dag\nx = ("})
    strict = preview(environment(folder), bad, DagReleases(mode="strict"))
    assert "**Would be refused:**\n\n- a.py, line 2: " in markdown(strict, "dev")
    forgiving = markdown(preview(environment(folder), bad, DagReleases()), "dev")
    assert "Stays out:\n\n- a.py, line 2: " in forgiving
    assert f"version of release {live} stays live" in forgiving


def test_preview_of_the_same_files_says_so(folder):
    live = folder.publish({"a.py": "x = 1"}).release
    shown = preview(environment(folder), zipped({"a.py": b"x = 1"}), DagReleases())
    assert f"No file differs from the live release `{live}`." in markdown(shown, "dev")


def test_preview_for_an_environment_without_a_release(folder):
    shown = preview(environment(folder), zipped({"a.py": b""}), DagReleases())
    assert "1 added, 0 changed, 0 removed, the first one." in markdown(shown, "dev")


def two() -> tuple[DagFolder, DagFolder]:
    return DagFolder(), DagFolder(InMemoryS3(), strict=True)


def publishing(folder: DagFolder) -> Environment:
    """An environment whose publisher runs at each upload."""

    class PublishingS3:
        def __getattr__(self, name: str) -> object:
            return getattr(folder.s3, name)

        def head_object(self, **arguments: str) -> dict[str, object]:
            answer = folder.s3.head_object(**arguments)
            folder.publisher().publish()
            return answer

    return Environment("prod", PublishingS3(), BUCKET)


@pytest.mark.parametrize("size", [10, 400_000], ids=["in the manifest", "in an archive"])
def test_promotion_brings_the_same_files_and_the_commit(size):
    dev, prod = two()
    prod.publish({"old.py": ""})
    big = bytes(number * 7919 % 251 for number in range(size))
    dev.upload({"a.py": b"x = 1", "data.bin": big}, origin=ORIGIN)
    release = dev.publisher().publish().release
    dev.publish({"a.py": "x = 'next'"})
    for wanted in (release, content_of(environment(dev), release).hash):
        pointer = promote(environment(dev), publishing(prod), wanted)
        assert prod.current_files == {"a.py": b"x = 1", "data.bin": big}
        assert pointer.origin == ORIGIN
        # The id has another time, and the same content.
        assert pointer.release.rpartition("-")[2] == release.rpartition("-")[2]


def test_promotion_of_what_is_not_kept_is_refused():
    dev, prod = two()
    with pytest.raises(ReleaseError, match="dev has no release"):
        promote(environment(dev), publishing(prod))
    dev.publish({"a.py": ""})
    with pytest.raises(ReleaseError, match="dev keeps no release ffffffffff"):
        promote(environment(dev), publishing(prod), "ffffffffff")
    assert prod.s3.keys() == []


def test_damaged_release_is_not_promoted():
    dev, prod = two()
    release = dev.publish({"a.py": "x = 1"}).release
    dev.s3.put(f"releases/{release}.gz", b"damaged")
    with pytest.raises(ReleaseError, match="cannot be read"):
        promote(environment(dev), publishing(prod))
    assert prod.s3.keys() == []


def test_comparison_shows_what_differs_only():
    dev, prod = two()
    dev.upload({"a.py": b"x = 1", "same.py": b""}, origin={"commit": "new"})
    dev.publisher().publish()
    prod.upload({"b.py": b"x = 1", "same.py": b""}, origin={"commit": "old"})
    prod.publisher().publish()
    first = environment(
        dev,
        parameters={"EnvironmentClass": "micro", "Options": "exec", "Vpc": "10.0.0.0/16"},
        outputs={"AirflowImageUri": "1.dkr/one@sha256:a", "DagBucketName": "one"},
    )
    second = replace(
        environment(prod, "prod"),
        parameters={"EnvironmentClass": "medium", "Options": "exec"},
        outputs={"AirflowImageUri": "2.dkr/two@sha256:b", "DagBucketName": "two"},
    )
    rows = compare(first, second)
    assert [(each.name, each.first, each.second) for each in rows[1:5]] == [
        ("commit", "new", "old"),
        ("AirflowImageUri", "sha256:a", "sha256:b"),
        ("EnvironmentClass", "micro", "medium"),
        ("Vpc", "10.0.0.0/16", "-"),
    ]
    assert [each.name for each in rows if each.name.endswith(".py")] == ["a.py", "b.py"]
    shown = table(first, second, rows).splitlines()
    assert shown[0].split() == ["dev", "prod"]
    assert "EnvironmentClass  micro" in "\n".join(shown)


def test_environments_that_are_the_same_say_so():
    dev, prod = two()
    for each in (dev, prod):
        each.publish({"a.py": "x = 1"})
        # Other times, and so other ids.
        each.s3.clock.sleep(60)
    first, second = environment(dev), environment(prod, "prod")
    assert table(first, second, compare(first, second)) == "dev and prod are the same"


def test_command_without_a_stack_ends_with_status_1(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "release_dags", "preview", str(tmp_path), "--stack", "none"],
        capture_output=True,
        text=True,
        env={
            "PYTHONPATH": str(ROOT / "checks/src"),
            "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_MAX_ATTEMPTS": "1",
        },
    )
    assert done.returncode == 1
    assert done.stderr.startswith("release-dags: The stack none cannot be read: ")
