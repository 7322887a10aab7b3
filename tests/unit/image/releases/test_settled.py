"""A file is parsed again unless it is certain that the database has what a parse would write."""

from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from airflow_on_fargate.releases.parse_inputs import Inputs
from airflow_on_fargate.releases.settled import (
    SECONDS_BETWEEN_CHECKS,
    Parse,
    Recorded,
    SettledFiles,
)

ONE, TWO = Inputs("1"), Inputs("2")
AT = datetime(2026, 3, 1, tzinfo=UTC)


def parse(inputs: Inputs, dags: int = 1, environment: str = "image") -> Parse:
    return Parse.of(inputs, environment, dags)


class Rows:
    def __init__(self) -> None:
        self.fails = False
        self.incomplete: set[str] = set()
        self.missing: set[str] = set()
        self.known: dict[str, Recorded] = {}
        self.moves: list[tuple[set[str], str, str]] = []

    def recorded(self) -> Mapping[str, Recorded]:
        if self.fails:
            raise OSError("no database")
        return self.known

    def move(self, parses: Mapping[str, Parse], old: str, new: str) -> set[str]:
        if self.fails:
            raise OSError("no database")
        self.moves.append((set(parses), old, new))
        return set(parses) - self.incomplete

    def to_parse(self, parses: Mapping[str, Parse], release: str) -> set[str]:
        if self.fails:
            raise OSError("no database")
        return self.missing


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def rows() -> Rows:
    return Rows()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def files(rows: Rows, clock: Clock) -> SettledFiles:
    made = SettledFiles(rows, "image", clock)
    made.note("a.py", "r1", parse(ONE))
    made.note("b.py", "r1", parse(TWO))
    return made


def test_file_is_settled_in_the_release_of_its_parse(files: SettledFiles) -> None:
    assert files.are_settled(["a.py", "b.py", "c.py"], "r1") == {"a.py", "b.py"}
    assert files.are_settled(["a.py"], "r2") == set()


DYNAMIC = Inputs("1", "uses Variable")


@pytest.fixture
def with_dynamic(files: SettledFiles) -> SettledFiles:
    files.note("a.py", "r1", files.parse(DYNAMIC, 1, "result"))
    return files


def test_dynamic_file_is_settled_in_the_release_of_its_parse(with_dynamic: SettledFiles) -> None:
    both = ["a.py", "b.py", "c.py"]
    assert with_dynamic.are_settled(both, "r1") == {"a.py", "b.py"}
    assert with_dynamic.are_dynamic(both) == {"a.py"}


def test_dynamic_file_is_parsed_in_each_release_but_not_before_what_changed(
    with_dynamic: SettledFiles, rows: Rows
) -> None:
    assert with_dynamic.follow("r1", "r2", {"a.py": DYNAMIC, "b.py": TWO}.get) == set()
    assert rows.moves == [({"b.py"}, "r1", "r2")]
    assert with_dynamic.are_settled(["a.py", "b.py"], "r2") == {"b.py"}


def test_dynamic_file_is_parsed_after_a_start(rows: Rows, clock: Clock) -> None:
    parsed = SettledFiles(rows, "image", clock).parse(DYNAMIC, 1, "")
    assert parsed
    rows.known = {"a.py": Recorded(parsed, "r1", AT)}
    started = SettledFiles(rows, "image", clock)
    assert not started.adopt("r1", ["a.py"], {"a.py": DYNAMIC}.get)
    # Also if this version of the code takes the file for a static one.
    assert not started.adopt("r1", ["a.py"], {"a.py": ONE}.get)


def test_result_of_a_dynamic_file_is_a_part_of_its_parse(files: SettledFiles) -> None:
    assert files.parse(DYNAMIC, 1, "one") == files.parse(DYNAMIC, 1, "one")
    assert files.parse(DYNAMIC, 1, "one") != files.parse(DYNAMIC, 1, "other")
    assert files.parse(ONE, 1, "one") == files.parse(ONE, 1, "other")


def test_file_with_an_import_error_is_never_settled(files: SettledFiles) -> None:
    files.forget("a.py")
    assert files.are_settled(["a.py"], "r1") == set()


def test_next_release_leaves_what_it_does_not_change(files: SettledFiles) -> None:
    now = {"a.py": ONE, "b.py": Inputs("3")}
    assert files.follow("r1", "r2", now.get) == {"b.py"}
    assert files.are_settled(["a.py", "b.py"], "r2") == {"a.py"}


def test_file_that_becomes_dynamic_is_parsed(files: SettledFiles) -> None:
    now = {"a.py": Inputs("1", "uses time"), "b.py": TWO}
    assert files.follow("r1", "r2", now.get) == {"a.py"}


def test_removed_file_is_forgotten(files: SettledFiles) -> None:
    assert files.follow("r1", "r2", {"a.py": ONE}.get) == set()
    assert files.are_settled(["b.py"], "r2") == set()


def test_file_whose_parse_is_due_is_not_moved(files: SettledFiles) -> None:
    now = {"a.py": ONE, "b.py": TWO}
    assert files.follow("r1", "r2", now.get, {"a.py"}) == {"a.py"}
    assert files.are_settled(["a.py", "b.py"], "r2") == {"b.py"}


def test_file_that_was_not_parsed_in_the_former_release_is_not_moved(files: SettledFiles) -> None:
    files.follow("r1", "r2", {"a.py": TWO, "b.py": TWO}.get)
    # r3 has the content of r1 again, but a.py was never parsed in r2.
    assert files.follow("r2", "r3", {"a.py": ONE, "b.py": TWO}.get) == set()
    assert files.are_settled(["a.py", "b.py"], "r3") == {"b.py"}


def test_file_with_missing_dags_is_parsed(files: SettledFiles, rows: Rows, clock: Clock) -> None:
    rows.incomplete = {"a.py"}
    assert files.follow("r1", "r2", {"a.py": ONE, "b.py": TWO}.get) == {"a.py"}
    rows.missing = {"b.py"}
    clock.now += SECONDS_BETWEEN_CHECKS
    assert files.are_settled(["a.py", "b.py"], "r2") == set()


def test_files_stay_as_they_are_while_the_database_cannot_be_asked(
    files: SettledFiles, rows: Rows, clock: Clock
) -> None:
    rows.missing = {"a.py"}
    clock.now += SECONDS_BETWEEN_CHECKS
    assert files.are_settled(["a.py", "b.py"], "r1") == {"b.py"}
    rows.fails = True
    clock.now += SECONDS_BETWEEN_CHECKS
    assert files.are_settled(["a.py", "b.py"], "r1") == {"b.py"}
    rows.fails, rows.missing = False, {"b.py"}
    clock.now += SECONDS_BETWEEN_CHECKS
    assert files.are_settled(["a.py", "b.py"], "r1") == {"a.py"}


def test_every_file_is_parsed_when_the_release_cannot_be_written(
    files: SettledFiles, rows: Rows
) -> None:
    rows.fails = True
    assert files.follow("r1", "r2", {"a.py": ONE, "b.py": TWO}.get) == {"a.py", "b.py"}
    assert files.are_settled(["a.py", "b.py"], "r2") == set()


def test_every_file_is_parsed_when_the_release_cannot_be_read(files: SettledFiles) -> None:
    def broken(path: str) -> Inputs:
        raise OSError(path)

    assert files.follow("r1", "r2", broken) == {"a.py", "b.py"}
    assert files.are_settled(["a.py", "b.py"], "r2") == set()


def adopted(files: SettledFiles, release: str = "r1") -> set[str]:
    return set(files.adopt(release, ["a.py", "b.py"], {"a.py": ONE, "b.py": TWO}.get))


@pytest.fixture
def started(rows: Rows, clock: Clock) -> SettledFiles:
    """After a start, with a database that has both files."""
    rows.known = {
        "a.py": Recorded(parse(ONE), "r1", AT),
        "b.py": Recorded(parse(TWO), "r1", AT),
    }
    return SettledFiles(rows, "image", clock)


def test_files_of_the_database_are_settled_after_a_start(started: SettledFiles) -> None:
    assert adopted(started) == {"a.py", "b.py"}
    assert started.are_settled(["a.py", "b.py"], "r1") == {"a.py", "b.py"}


def test_file_that_a_release_changed_meanwhile_is_parsed_after_a_start(
    started: SettledFiles, rows: Rows
) -> None:
    now = {"a.py": ONE, "b.py": Inputs("3")}
    assert set(started.adopt("r2", ["a.py", "b.py"], now.get)) == {"a.py"}
    assert rows.moves == [({"a.py"}, "r1", "r2")]
    assert started.are_settled(["a.py", "b.py"], "r2") == {"a.py"}


def test_file_that_became_dynamic_is_parsed_after_a_start(started: SettledFiles) -> None:
    now = {"a.py": Inputs("1", "uses time"), "b.py": TWO}
    assert set(started.adopt("r1", ["a.py", "b.py"], now.get)) == {"b.py"}


def test_file_that_was_removed_meanwhile_is_not_taken_over(started: SettledFiles) -> None:
    assert set(started.adopt("r1", ["a.py"], {"a.py": ONE, "b.py": TWO}.get)) == {"a.py"}


def test_every_file_is_parsed_after_a_start_with_another_image_or_setting(
    started: SettledFiles, rows: Rows, clock: Clock
) -> None:
    assert adopted(SettledFiles(rows, "another image", clock)) == set()


def test_every_file_is_parsed_after_a_start_when_the_database_fails(
    started: SettledFiles, rows: Rows
) -> None:
    rows.fails = True
    assert adopted(started) == set()


def test_dags_that_became_due_while_nothing_ran_are_parsed_after_a_start(
    started: SettledFiles, rows: Rows
) -> None:
    rows.missing = {"b.py"}
    adopted(started)
    assert started.are_settled(["a.py", "b.py"], "r1") == {"a.py"}


@pytest.mark.parametrize("data", [None, {}, {"parse": 1, "dags": 1}, {"parse": "a"}, ["a"], "a"])
def test_other_data_of_a_version_is_not_a_parse(data: object) -> None:
    assert Parse.from_version_data(data) is None


def test_parse_is_what_was_written() -> None:
    for each in (parse(ONE, 2), parse(DYNAMIC)):
        assert Parse.from_version_data(each.as_version_data()) == each
    assert len({parse(ONE), parse(TWO), parse(ONE, 2), parse(ONE, 1, "another image")}) == 4
