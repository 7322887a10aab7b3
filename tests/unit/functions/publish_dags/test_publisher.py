"""Publishing: all or nothing, only changes are read and stored, no other call is overwritten."""

import hashlib
from threading import Thread

import pytest
from dag_folder import DagFolder, broken, dag
from in_memory_s3 import error

from publish_dags.checks.limits import Limits
from publish_dags.publisher import Outcome, PublishingContendedError


@pytest.fixture
def folder():
    return DagFolder()


@pytest.fixture
def strict():
    return DagFolder(strict=True)


def many(count, size=200):
    """Files that do not compress well."""
    return {
        f"team_{number % 20}/dag_{number}.py": dag(f"d{number}", "#" + "".join(
            hashlib.sha256(f"{number}.{part}".encode()).hexdigest() for part in range(size // 64)
        ))
        for number in range(count)
    }  # fmt: skip


def test_publishes_all_files_when_there_is_no_release_yet(folder):
    publication = folder.publish({"a.py": "x = 1\n", "sub/data.csv": "not,python"})
    assert publication.outcome is Outcome.PUBLISHED
    assert publication.files == publication.files_read == 2
    assert publication.release.startswith("20260301T120100Z-")
    assert folder.current_files == {"a.py": b"x = 1\n", "sub/data.csv": b"not,python"}
    assert folder.pointer["reason"] == "folder"
    assert folder.pointer["changes"] == {
        "added": 2, "changed": 0, "removed": 0, "paths": ["+ a.py", "+ sub/data.csv"],
    }  # fmt: skip


def test_publishes_an_empty_release_when_there_are_no_files(folder):
    assert folder.publish().outcome is Outcome.PUBLISHED
    assert folder.current_files == {}
    assert folder.publish().outcome is Outcome.UNCHANGED


def test_publishes_when_the_last_file_was_deleted(folder):
    folder.publish({"a.py": ""})
    assert folder.publish({"a.py": None}).outcome is Outcome.PUBLISHED
    assert folder.current_files == {}


def test_publishes_when_a_file_is_renamed(folder):
    folder.publish({"a.py": "x = 1"})
    assert folder.publish({"a.py": None, "b.py": "x = 1"}).outcome is Outcome.PUBLISHED
    assert folder.current_files == {"b.py": b"x = 1"}


@pytest.mark.parametrize("count", [100, 3000])
def test_requests_do_not_grow_with_the_files_when_one_of_many_changes(folder, count):
    folder.publish(many(count))
    folder.s3.requests.clear()
    publication = folder.publish({"team_7/dag_7.py": dag("d7", "x = 2")})
    assert (publication.files, publication.files_read) == (count, 1)
    asked = [request for request in folder.s3.requests if request != ("list", "dags/")]
    release = f"releases/{publication.release}.gz"
    former = next(key for operation, key in asked if key.endswith(".gz"))
    assert asked == [
        ("get", "releases/current.json"), ("list", "inbox/"), ("get", former),
        ("get", "dags/team_7/dag_7.py"), ("put", release), ("put", "releases/current.json"),
        ("get", "releases/refused.json"),
    ]  # fmt: skip
    # The difference was stored, not the whole folder.
    assert len(folder.s3.data(release)) < 200 * count
    assert folder.current_files["team_7/dag_7.py"] == dag("d7", "x = 2")


def test_reads_only_pointer_listings_and_report_when_nothing_has_changed(folder):
    folder.publish(many(10))
    folder.s3.requests.clear()
    assert folder.publish().outcome is Outcome.UNCHANGED
    assert folder.s3.requests == [
        ("get", "releases/current.json"), ("list", "dags/"), ("list", "inbox/"),
        ("get", "releases/refused.json"),
    ]  # fmt: skip


def test_stores_no_archive_when_the_folder_is_small(folder):
    folder.publish({"a.py": "x = 1"})
    assert folder.s3.keys("releases/archives/") == []


def test_keeps_the_archive_until_the_difference_is_a_large_share(folder):
    files = many(1000, 2000)
    folder.publish(files)
    archives = []
    for part in range(10):
        chunk = list(files)[part * 60 : part * 60 + 60]
        release = folder.publish({path: files[path] + b"# changed\n" for path in chunk}).release
        archives.append(folder.manifest(release)["archive"]["name"])
    # 60 of 1,000 files each time: a quarter is exceeded every fifth time.
    assert len(set(archives)) == 3
    assert len(folder.s3.keys("releases/archives/")) == 3
    assert len(folder.current_files) == 1000
    assert all(
        data.endswith(b"# changed\n") for data in map(folder.current_files.get, list(files)[:600])
    )


def test_writes_a_new_archive_when_most_of_the_old_one_is_unused(folder):
    files = many(1000, 2000)
    folder.publish(files)
    folder.publish(dict.fromkeys(list(files)[:700]))
    assert len(folder.s3.keys("releases/archives/")) == 2
    assert len(folder.current_files) == 300


def test_publishes_nothing_when_the_same_content_was_uploaded_again(folder):
    first = folder.publish({"a.py": "x = 1"})
    again = folder.publish({"a.py": "x = 1"})
    assert (again.outcome, again.release) == (Outcome.UNCHANGED, first.release)
    assert len(folder.s3.keys("releases/2")) == 1


def test_refuses_and_leaves_the_current_release_when_a_file_does_not_compile(strict):
    first = strict.publish({"good.py": ""})
    publication = strict.publish(
        {
            "bad.py": broken(),
            "worse.py": "return  # an airflow dag\n",
            "not_python.txt": "def f(:\n",
        }
    )
    assert publication.outcome is Outcome.REFUSED
    assert publication.release == strict.pointer["release"] == first.release
    assert [(each.path, each.line) for each in publication.problems] == [
        ("bad.py", 2), ("worse.py", 1),
    ]  # fmt: skip
    report = strict.report()
    assert report["current_release"] == first.release
    assert report["problems"][0]["path"] == "bad.py"
    assert report["problems"][0]["line"] == 2


def test_refuses_when_there_is_no_release_yet(strict):
    assert strict.publish({"bad.py": broken()}).outcome is Outcome.REFUSED
    assert strict.s3.keys("releases/") == ["releases/refused.json"]


@pytest.mark.parametrize("path", ["../a.py", "/a.py", "a//b.py", "x\ny.py"])
def test_refuses_without_reading_when_a_path_leads_out_of_the_folder(strict, path):
    publication = strict.publish({path: ""})
    assert publication.outcome is Outcome.REFUSED
    assert publication.problems[0].reason.startswith("the path ")
    assert ("get", f"dags/{path}") not in strict.s3.requests


@pytest.mark.parametrize(
    ("limits", "reason"),
    [(Limits(2, 1000), "3 files; 2 are allowed"), (Limits(9, 20), "bytes in all files; 20 are")],
)
def test_refuses_without_reading_when_a_limit_is_exceeded(limits, reason):
    folder = DagFolder(limits=limits)
    publication = folder.publish({"a.py": "x = 1111", "b.py": "x = 2222", "c.py": "x = 3333"})
    assert publication.outcome is Outcome.REFUSED
    assert reason in str(publication.problems[0])
    assert ("get", "dags/a.py") not in folder.s3.requests


def test_refuses_when_two_files_claim_the_same_dag(strict):
    strict.publish({"a.py": dag("sales")})
    publication = strict.publish({"b.py": dag("sales")})
    assert publication.outcome is Outcome.REFUSED
    assert str(publication.problems[0]) == (
        "b.py, line 3: the DAG 'sales' is also in a.py, line 3, which was live with it"
    )


def test_accepts_any_file_that_airflow_ignores(folder):
    publication = folder.publish(
        {
            ".airflowignore": "old/\n",
            "a.py": dag("sales"),
            "old/a.py": dag("sales"),
            "old/b.py": "def",
        }
    )
    assert publication.outcome is Outcome.PUBLISHED
    assert [each.path for each in publication.warnings] == ["old/b.py"]


def test_looks_at_a_file_again_when_it_is_ignored_no_longer(strict):
    strict.publish({".airflowignore": "old/\n", "old/b.py": broken()})
    publication = strict.publish({".airflowignore": "other/\n"})
    assert publication.outcome is Outcome.REFUSED
    assert [each.path for each in publication.problems] == ["old/b.py"]


@pytest.mark.parametrize("text", [b"\xff\xfe", b"a" * 70_000, b"[z-a]\n!\n"])
def test_refuses_when_the_ignore_file_cannot_be_read(strict, text):
    assert strict.publish({".airflowignore": text}).outcome is Outcome.REFUSED


@pytest.mark.parametrize("fixed", [{"a.py": "x = 1"}, {"a.py": None}])
def test_clears_the_report_when_what_was_refused_is_fixed_or_undone(strict, fixed):
    strict.publish({"b.py": ""})
    strict.publish({"a.py": broken()})
    strict.publish(fixed)
    assert strict.s3.keys("releases/refused") == []


def test_does_not_look_again_when_the_folder_was_refused_as_it_is(strict):
    strict.publish({"a.py": broken()})
    strict.s3.requests.clear()
    publication = strict.publisher().publish(again=False)
    assert (publication.outcome, publication.known) == (Outcome.REFUSED, True)
    assert ("get", "dags/a.py") not in strict.s3.requests


@pytest.mark.parametrize("damage", [None, b"", b"rubbish"])
@pytest.mark.parametrize("what", ["releases/2", "releases/archives/"])
def test_repairs_the_bucket_when_the_stored_current_release_is_lost(folder, damage, what):
    files = many(600, 1000)
    folder.publish(files)
    for key in folder.s3.keys(what):
        folder.s3.delete(key) if damage is None else folder.s3.put(key, damage)
    changed = {path: data + b"# changed\n" for path, data in list(files.items())[:300]}
    assert folder.publish(changed).outcome is Outcome.PUBLISHED
    assert folder.current_files == files | changed


def test_starts_over_when_another_call_publishes(folder):
    folder.change({"a.py": ""})

    def interfere(when, operation, key):
        if (when, operation, key) == ("before", "put", "releases/current.json"):
            folder.s3.fault = lambda *_: None
            folder.publish({"b.py": ""})

    folder.s3.fault = interfere
    assert folder.publisher().publish().outcome is Outcome.UNCHANGED
    assert set(folder.current_files) == {"a.py", "b.py"}


@pytest.mark.parametrize("now", [None, b"x = 2"])
def test_starts_over_when_a_file_changes_while_it_is_read(folder, now):
    folder.change({"a.py": "", "b.py": ""})

    def interfere(when, operation, key):
        if (when, operation, key) == ("before", "get", "dags/b.py"):
            folder.s3.fault = lambda *_: None
            folder.change({"b.py": now})

    folder.s3.fault = interfere
    assert folder.publisher().publish().outcome is Outcome.PUBLISHED
    assert folder.current_files == {"a.py": b""} | ({"b.py": now} if now else {})


def test_gives_up_when_the_bucket_changes_during_each_attempt(folder):
    folder.change({"a.py": ""})

    def contend(when, operation, key):
        if (when, operation, key) == ("before", "put", "releases/current.json"):
            raise error("PreconditionFailed", 412)

    folder.s3.fault = contend
    with pytest.raises(PublishingContendedError, match="each of 10 attempts"):
        folder.publisher().publish()


def test_loses_nothing_when_ten_calls_publish_at_once(folder):
    folder.change({f"a{number}.py": "" for number in range(10)})
    threads = [Thread(target=lambda: folder.publisher().publish()) for _ in range(10)]
    for number, thread in enumerate(threads):
        folder.s3.put(f"dags/b{number}.py", b"")
        thread.start()
    for thread in threads:
        thread.join()
    # Each call checked the bucket after its own file was put; the last one saw all files.
    assert folder.publisher().publish().outcome in (Outcome.UNCHANGED, Outcome.PUBLISHED)
    assert len(folder.current_files) == 20
    assert folder.publisher().publish().outcome is Outcome.UNCHANGED


ORIGIN = {"commit": "c0ffee" * 6 + "c0ff", "url": "https://example.com/team/dags/commit/c0ffee"}


def test_release_of_a_zip_says_where_it_comes_from(folder):
    folder.upload({"a.py": b"x = 1"}, origin=ORIGIN)
    assert folder.publisher().publish().outcome is Outcome.PUBLISHED
    assert folder.pointer["origin"] == ORIGIN


def test_same_content_from_another_commit_is_the_same_release_with_the_new_origin(folder):
    folder.upload({"a.py": b"x = 1"}, "one.zip", ORIGIN)
    release = folder.publisher().publish().release
    folder.upload({"a.py": b"x = 1"}, "two.zip", {"commit": "other"})
    assert folder.publisher().publish().outcome is Outcome.UNCHANGED
    assert (folder.pointer["release"], folder.pointer["origin"]) == (release, {"commit": "other"})


def test_former_commit_that_is_pushed_again_is_live_again(folder):
    """A force-push back: the same name and the same content as before."""
    for name, data in (("one.zip", b"x = 1"), ("two.zip", b"x = 2"), ("one.zip", b"x = 1")):
        folder.upload({"a.py": data}, name, {"commit": name})
        assert folder.publisher().publish().outcome is Outcome.PUBLISHED
    assert folder.current_files == {"a.py": b"x = 1"}
    assert folder.pointer["origin"] == {"commit": "one.zip"}


def test_folder_that_changes_after_a_zip_has_no_origin(folder):
    folder.upload({"a.py": b"x = 1"}, origin=ORIGIN)
    folder.publisher().publish()
    folder.publish({"b.py": "x = 2"})
    assert folder.pointer["origin"] == {}
