"""A file is parsed again unless it is certain that the database has what a parse would write."""

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_on_fargate.releases.parse_inputs import Inputs
from airflow_on_fargate.releases.settled import SECONDS_BETWEEN_CHECKS, SettledFiles

ONE, TWO = Inputs("1"), Inputs("2")


class Rows:
    def __init__(self) -> None:
        self.fails = False
        self.incomplete: set[str] = set()
        self.missing: set[str] = set()

    def move(self, dags: Mapping[str, int], old: str, new: str) -> set[str]:
        if self.fails:
            raise OSError("no database")
        return set(dags) - self.incomplete

    def to_parse(self, dags: Mapping[str, int]) -> set[str]:
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
    made = SettledFiles(rows, clock)
    made.note("a.py", "r1", ONE, 1)
    made.note("b.py", "r1", TWO, 1)
    return made


def test_file_is_settled_in_the_release_of_its_parse(files: SettledFiles) -> None:
    assert files.are_settled(["a.py", "b.py", "c.py"], "r1") == {"a.py", "b.py"}
    assert files.are_settled(["a.py"], "r2") == set()


def test_dynamic_file_is_never_settled(files: SettledFiles) -> None:
    files.note("a.py", "r1", Inputs("1", "uses Variable"), 1)
    assert files.are_settled(["a.py"], "r1") == set()


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


def test_every_file_is_parsed_when_the_database_fails(
    files: SettledFiles, rows: Rows, clock: Clock
) -> None:
    rows.fails = True
    clock.now += SECONDS_BETWEEN_CHECKS
    assert files.are_settled(["a.py"], "r1") == set()
    assert files.follow("r1", "r2", {"a.py": ONE, "b.py": TWO}.get) == {"a.py", "b.py"}
    rows.fails = False
    clock.now += SECONDS_BETWEEN_CHECKS
    assert files.are_settled(["a.py", "b.py"], "r2") == set()


def test_every_file_is_parsed_when_the_release_cannot_be_read(files: SettledFiles) -> None:
    def broken(path: str) -> Inputs:
        raise OSError(path)

    assert files.follow("r1", "r2", broken) == {"a.py", "b.py"}
    assert files.are_settled(["a.py", "b.py"], "r2") == set()


class Manager:
    """What the patch uses of Airflow's manager."""

    def __init__(self, bundle: Any) -> None:
        self._bundle_versions: dict[str, str] = {"releases": "r1"}
        self._dag_bundles = [bundle]
        self._file_queue: dict[Any, None] = {}
        self._processors: dict[Any, Any] = {}
        self._file_stats: dict[Any, Any] = {}

    def _add_files_to_queue(self, files: list[Any], mode: str) -> None:
        self._file_queue.update(dict.fromkeys(files))


@pytest.fixture
def patched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, rows: Rows, clock: Clock) -> Any:
    """The patch, with a manager, a release with two files, and the functions it surrounds."""
    from airflow._shared.timezones import timezone
    from airflow.dag_processing.manager import DagFileInfo, DagFileStat

    from airflow_on_fargate.patches.dag_processor import settled_files
    from airflow_on_fargate.releases import settled_rows
    from airflow_on_fargate.releases.bundle import ReleaseDagBundle

    for name in ("_settled", "_inputs", "_read"):
        monkeypatch.setattr(settled_files, name, {})
    monkeypatch.setattr(settled_rows, "DagRows", lambda name: rows)
    hashes = {"a.py": "1", "b.py": "2"}
    for path in hashes:
        (tmp_path / path).write_text("X = 1")

    class Bundle(ReleaseDagBundle):
        name = "releases"

        def __init__(self) -> None:
            pass

        def get_current_version(self) -> Any:
            return SimpleNamespace(version=served or manager._bundle_versions["releases"])

        def contents(self, release: str) -> tuple[Path, dict[str, str]]:
            return tmp_path, dict(hashes)

    served = ""
    manager = Manager(Bundle())
    found = {path: DagFileInfo(rel_path=Path(path), bundle_name="releases") for path in hashes}

    def parse(path: str, errors: Any = None, callbacks: bool = False, dags: int = 1) -> None:
        file = found[path]

        def record(self: Any, file: Any, proc: Any) -> None:
            if not callbacks:
                self._file_stats[file] = DagFileStat(
                    num_dags=dags,
                    import_errors=len(errors or ()),
                    last_finish_time=timezone.utcnow(),
                )

        result = SimpleNamespace(
            import_errors=errors, serialized_dags=[SimpleNamespace(dag_id=path)] * dags
        )
        process = SimpleNamespace(
            parsing_result=None if callbacks else result, had_callbacks=callbacks
        )
        manager._file_queue.pop(file, None)
        settled_files._noting(record)(manager, file, process)

    def queued(queue: Any = None) -> set[str]:
        """What Airflow parses when its interval has passed."""
        manager._file_queue.clear()

        def prepare(self: Any, known_files: Any) -> None:
            self._file_queue.update(dict.fromkeys(queue or found.values()))

        settled_files._without_settled(prepare)(manager, {})
        return {str(file.rel_path) for file in manager._file_queue}

    def serve(name: str) -> None:
        nonlocal served
        served = name

    def release(name: str, **changed: str) -> set[str]:
        def refresh(self: Any, known_files: Any) -> None:
            hashes.update({f"{stem}.py": sha for stem, sha in changed.items()})
            for stem in changed:
                (tmp_path / f"{stem}.py").write_text(f"X = {changed[stem]!r}")
            self._bundle_versions["releases"] = name

        manager._file_queue.clear()
        settled_files._following(refresh)(manager, {"releases": set(found.values())})
        return {str(file.rel_path) for file in manager._file_queue}

    return SimpleNamespace(
        manager=manager, files=found, parse=parse, queued=queued, release=release, serve=serve
    )  # fmt: skip


def test_parsed_file_is_not_parsed_again_before_the_long_interval(
    patched: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert patched.queued() == {"a.py", "b.py"}
    patched.parse("a.py")
    assert patched.queued() == {"b.py"}
    monkeypatch.setenv("AIRFLOW__DAG_PROCESSOR__SETTLED_FILE_PROCESS_INTERVAL", "0.000001")
    assert patched.queued() == {"a.py", "b.py"}


def test_zero_turns_it_off(patched: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__DAG_PROCESSOR__SETTLED_FILE_PROCESS_INTERVAL", "0")
    patched.parse("a.py")
    assert patched.queued() == {"a.py", "b.py"}


def test_file_with_an_import_error_keeps_the_interval_of_airflow(patched: Any) -> None:
    patched.parse("a.py", errors={"a.py": "ValueError"})
    assert patched.queued() == {"a.py", "b.py"}
    patched.parse("a.py")
    assert patched.queued() == {"b.py"}


def test_changed_file_is_parsed_at_once_and_others_are_not(patched: Any) -> None:
    patched.parse("a.py")
    patched.parse("b.py")
    assert patched.release("r2", a="3") == {"a.py"}
    assert patched.queued() == {"a.py"}
    patched.parse("a.py")
    assert patched.queued() == set()


def test_file_that_waits_for_its_parse_is_not_taken_as_parsed(patched: Any) -> None:
    patched.parse("a.py")
    patched.parse("b.py")
    patched.release("r2", a="3")
    # The next release comes before the parse.
    assert "a.py" not in patched.release("r3")
    assert patched.queued() == {"a.py"}


def test_file_is_not_settled_while_the_database_does_not_take_the_release(patched: Any) -> None:
    patched.serve("r2")
    patched.parse("a.py")
    assert patched.queued() == {"a.py", "b.py"}


def test_callback_does_not_settle_its_file(patched: Any) -> None:
    patched.parse("a.py", callbacks=True)
    assert patched.queued() == {"a.py", "b.py"}
    patched.parse("a.py")
    patched.parse("a.py", callbacks=True)
    assert patched.queued() == {"b.py"}


def test_callbacks_and_requests_that_wait_stay_in_the_queue(patched: Any) -> None:
    from airflow_on_fargate.patches.dag_processor import settled_files

    patched.parse("a.py")
    patched.manager._file_queue[patched.files["a.py"]] = None
    settled_files._without_settled(lambda self, known_files: None)(patched.manager, {})
    assert list(patched.manager._file_queue) == [patched.files["a.py"]]


def test_other_bundles_keep_the_interval_of_airflow(patched: Any) -> None:
    patched.manager._dag_bundles = [SimpleNamespace(name="releases")]
    patched.parse("a.py")
    assert patched.queued() == {"a.py", "b.py"}


def test_patch_fits_the_installed_airflow() -> None:
    from airflow_on_fargate import patches

    patches.apply("dag_processor.settled_files")
