"""How many requests to S3 a folder of 10,000 files takes, in both modes and with 40 bad files."""

from collections import Counter

import pytest
from dag_folder import DagFolder, broken, dag

from publish_dags.publisher import Outcome, Publication

FILES = 10_000
LISTINGS = 10
BAD = 40


def good_files() -> dict[str, bytes | str | None]:
    """One in ten is a DAG file, as in a folder with modules, SQL and templates."""
    files: dict[str, bytes | str | None] = {}
    for number in range(FILES - 1):
        path = f"team_{number % 50}/file_{number}"
        if number % 10:
            files[f"{path}.sql"] = f"SELECT {number}"
        else:
            files[f"{path}.py"] = dag(f"dag_{number}")
    return files | {"changed.py": dag("changed")}


def bad_files() -> dict[str, bytes | str | None]:
    """A quarter each: a syntax error, a copy of a DAG, invalid bytes, a key that cannot be a path.

    The keys come last, so that each kind of folder takes the same number of listings.
    """
    files: dict[str, bytes | str | None] = {}
    for number in range(BAD // 4):
        files[f"zz/syntax_{number}.py"] = broken(number + 2)
        files[f"zz/copy_{number}.py"] = dag(f"dag_{10 * number}")
        files[f"zz/latin_{number}.py"] = dag(f"latin_{number}") + b"# \xe9\n"
        files[f"zz//slash_{number}.py"] = dag(f"slash_{number}")
    return files


def without_some(files: dict[str, bytes | str | None]) -> dict[str, bytes | str | None]:
    """As many files less as there are bad ones, so that the folder has 10,000 again."""
    *kept, changed = files.items()
    return dict([*kept[:-BAD], changed])


def counted(
    folder: DagFolder, files: dict[str, bytes | str | None]
) -> tuple[Publication, Counter[str]]:
    """Change files, publish, and count the requests; `read` are those of the folder's files."""
    folder.change(files)
    folder.s3.requests.clear()
    publication = folder.publisher().publish()
    found: Counter[str] = Counter()
    for operation, key in folder.s3.requests:
        kind = "read" if operation == "get" and key.startswith("dags/") else operation
        found["list folder" if (operation, key) == ("list", "dags/") else kind] += 1
    return publication, found


@pytest.mark.parametrize("strict", [False, True], ids=["forgiving", "strict"])
def test_a_first_release_and_one_changed_file(strict: bool) -> None:
    folder = DagFolder(strict=strict)
    first, requests = counted(folder, good_files())
    assert (first.outcome, first.files) == (Outcome.PUBLISHED, FILES)
    assert requests["list folder"] == LISTINGS
    assert requests["read"] == FILES
    # At most an archive, the pack and the pointer.
    assert requests["put"] <= 3
    assert requests.total() <= FILES + LISTINGS + 7

    second, requests = counted(folder, {"changed.py": dag("changed", "x = 2")})
    assert (second.outcome, second.files_read) == (Outcome.PUBLISHED, 1)
    assert requests["read"] == 1
    assert requests["put"] == 2
    assert requests.total() <= LISTINGS + 8

    same, requests = counted(folder, {})
    assert same.outcome is Outcome.UNCHANGED
    assert requests.total() <= LISTINGS + 3


def test_forty_files_that_stay_out_take_one_more_request() -> None:
    folder = DagFolder()
    first, requests = counted(folder, without_some(good_files()) | bad_files())
    assert (first.outcome, len(first.exclusions)) == (Outcome.PUBLISHED, BAD)
    assert requests["list folder"] == LISTINGS
    # Keys that cannot be paths are not read.
    assert requests["read"] == FILES - BAD // 4
    assert requests["put"] <= 4
    assert requests.total() <= FILES + LISTINGS + 8

    second, requests = counted(folder, {"changed.py": dag("changed", "x = 2")})
    assert (second.outcome, second.files_read) == (Outcome.PUBLISHED, 1)
    assert second.exclusions == first.exclusions
    assert requests["read"] == 1
    assert requests["put"] == 3
    assert requests.total() <= LISTINGS + 9


def test_a_refused_release_reads_only_what_is_new_and_writes_only_its_report() -> None:
    folder = DagFolder(strict=True)
    files = without_some(good_files())
    refused, requests = counted(folder, files | bad_files())
    assert (refused.outcome, len(refused.problems)) == (Outcome.REFUSED, BAD)
    assert requests["read"] == FILES - BAD // 4
    assert requests["put"] == 1
    assert requests.total() <= FILES + LISTINGS + 8

    # Once there is a release, only the files that differ from it are read.
    folder.publish(dict.fromkeys(bad_files()))
    refused, requests = counted(folder, bad_files() | {"changed.py": dag("changed", "x = 2")})
    assert (refused.outcome, len(refused.problems)) == (Outcome.REFUSED, BAD)
    assert requests["read"] == BAD - BAD // 4 + 1
    assert requests["put"] == 1
    assert requests.total() <= BAD + LISTINGS + 8

    # The same folder again is not checked again.
    folder.s3.requests.clear()
    assert folder.publisher().publish(again=False).known
    assert len(folder.s3.requests) <= LISTINGS + 4
