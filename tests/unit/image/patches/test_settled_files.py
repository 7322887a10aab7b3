"""The patch of Airflow's manager that leaves settled files alone."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_on_fargate.releases.settled import Parse, Recorded


class Rows:
    def __init__(self) -> None:
        self.missing: set[str] = set()
        self.known: dict[str, Recorded] = {}

    def recorded(self) -> Mapping[str, Recorded]:
        return self.known

    def move(self, parses: Mapping[str, Parse], old: str, new: str) -> set[str]:
        return set(parses)

    def to_parse(self, parses: Mapping[str, Parse], release: str) -> set[str]:
        return self.missing


class Manager:
    """What the patch uses of Airflow's manager."""

    def __init__(self, bundle: Any) -> None:
        self._bundle_versions: dict[str, str] = {"releases": "r1"}
        self._dag_bundles = [bundle]
        self.max_runs = -1
        self.heartbeats = 0
        self._file_queue: dict[Any, None] = {}
        self._processors: dict[Any, Any] = {}
        self._file_stats: dict[Any, Any] = {}

    def heartbeat(self) -> None:
        self.heartbeats += 1

    def _resort_file_queue(self) -> None:
        pass

    def _add_files_to_queue(self, files: list[Any], mode: str) -> None:
        self._file_queue.update(dict.fromkeys(files))


@pytest.fixture
def patched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """The patch, with a manager, a release with two files, and the functions it surrounds."""
    from airflow._shared.timezones import timezone
    from airflow.dag_processing.manager import DagFileInfo, DagFileStat

    from airflow_on_fargate.patches.dag_processor import settled_files
    from airflow_on_fargate.releases import environment, settled_rows
    from airflow_on_fargate.releases.bundle import ReleaseDagBundle

    for name in ("_settled", "_inputs", "_read", "_known", "_next_old_file", "_told"):
        monkeypatch.setattr(settled_files, name, {})
    monkeypatch.setattr(environment, "digest", lambda: "image")
    rows = Rows()
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

    def parse(
        path: str,
        errors: Any = None,
        callbacks: bool = False,
        dags: int = 1,
        data: Any = None,
        ago: timedelta = timedelta(),
    ) -> Any:
        """Returns what is recorded as the data of each version."""
        file, recorded = found[path], []

        def persist(self: Any, *, version_data: Any, **named: Any) -> None:
            recorded.append(version_data)

        def record(self: Any, file: Any, proc: Any) -> None:
            if not callbacks:
                self._file_stats[file] = DagFileStat(
                    num_dags=dags,
                    import_errors=len(errors or ()),
                    last_finish_time=timezone.utcnow() - ago,
                )
                settled_files._recording(persist)(
                    self,
                    bundle_name="releases",
                    bundle_version=self._bundle_versions["releases"],
                    version_data=None,
                    parsing_result=proc.parsing_result,
                    relative_fileloc=path,
                )

        made = [SimpleNamespace(dag_id=f"{path}{number}", data=data) for number in range(dags)]
        result = SimpleNamespace(import_errors=errors, serialized_dags=made)
        process = SimpleNamespace(
            parsing_result=None if callbacks else result, had_callbacks=callbacks
        )
        manager._file_queue.pop(file, None)
        settled_files._noting(record)(manager, file, process)
        return recorded[0] if recorded else None

    known = set(found.values())

    def queued() -> set[str]:
        """What Airflow parses when its interval has passed."""
        manager._file_queue.clear()

        def prepare(self: Any, known_files: Any) -> None:
            self._file_queue.update(dict.fromkeys(known_files["releases"]))

        settled_files._without_settled(prepare)(manager, {"releases": known})
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
        settled_files._following(refresh)(manager, {"releases": known})
        return {str(file.rel_path) for file in manager._file_queue}

    def start() -> set[str]:
        """The first refresh of a process."""
        manager._bundle_versions.clear()

        def refresh(self: Any, known_files: Any) -> None:
            self._bundle_versions["releases"] = "r1"
            self._file_queue.update(dict.fromkeys(found.values()))

        settled_files._following(refresh)(manager, {"releases": known})
        return {str(file.rel_path) for file in manager._file_queue}

    return SimpleNamespace(
        manager=manager, files=found, parse=parse, queued=queued, release=release, serve=serve,
        start=start, rows=rows, folder=tmp_path,
    )  # fmt: skip


def test_parsed_file_is_not_parsed_again_before_the_long_interval(patched: Any) -> None:
    assert patched.queued() == {"a.py", "b.py"}
    patched.parse("a.py")
    assert patched.queued() == {"b.py"}


def test_parsed_file_is_parsed_again_after_the_long_interval(patched: Any) -> None:
    patched.parse("a.py", ago=timedelta(seconds=1799))
    patched.parse("b.py", ago=timedelta(seconds=1801))
    assert patched.queued() == {"b.py"}


def test_file_that_a_scan_finds_later_is_parsed(patched: Any) -> None:
    from airflow.dag_processing.manager import DagFileInfo

    patched.parse("a.py")
    patched.parse("b.py")
    assert patched.queued() == set()
    new = DagFileInfo(rel_path=Path("new.py"), bundle_name="releases")
    from airflow_on_fargate.patches.dag_processor import settled_files

    def prepare(self: Any, known_files: Any) -> None:
        assert known_files == {"releases": {new}}

    files = {"releases": {*patched.files.values(), new}}
    settled_files._without_settled(prepare)(patched.manager, files)


@pytest.fixture
def dynamic(patched: Any) -> Any:
    for file in patched.files.values():
        (patched.folder / file.rel_path).write_text("from airflow.sdk import Variable\nVariable")
    return patched


def test_dynamic_file_is_parsed_again_after_five_minutes(dynamic: Any) -> None:
    data = {"dag": {"tags": []}}
    dynamic.parse("a.py", data=data, ago=timedelta(seconds=299))
    assert dynamic.parse("b.py", data=data, ago=timedelta(seconds=301))["dynamic"]
    assert dynamic.queued() == {"b.py"}
    # They do not wait for each other, as static ones do.
    dynamic.parse("a.py", data=data, ago=timedelta(seconds=301))
    assert dynamic.queued() == {"a.py", "b.py"}


def test_interval_of_dynamic_files_is_a_setting(
    dynamic: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__DAG_PROCESSOR__DYNAMIC_FILE_PROCESS_INTERVAL", "3600")
    dynamic.parse("a.py", data={"dag": {}}, ago=timedelta(seconds=3599))
    dynamic.parse("b.py", data={"dag": {}}, ago=timedelta(seconds=3601))
    assert dynamic.queued() == {"b.py"}


def test_dynamic_file_whose_dags_the_database_does_not_have_is_parsed(
    dynamic: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow_on_fargate.releases import settled

    monkeypatch.setattr(settled, "SECONDS_BETWEEN_CHECKS", 0.0)
    dynamic.parse("a.py", data={"dag": {}})
    dynamic.parse("b.py", data={"dag": {}})
    dynamic.rows.missing = {"a.py"}
    assert dynamic.queued() == {"a.py"}


def test_version_of_a_dynamic_file_is_recorded_with_its_result(dynamic: Any) -> None:
    first = dynamic.parse("a.py", data={"dag": {"tags": ["one"]}})
    assert dynamic.parse("a.py", data={"dag": {"tags": ["one"]}}) == first
    assert dynamic.parse("a.py", data={"dag": {"tags": ["two"]}}) != first


def test_old_files_are_parsed_one_after_the_other_with_a_pause(
    patched: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow_on_fargate.patches.dag_processor import settled_files

    patched.parse("a.py", ago=timedelta(hours=1))
    patched.parse("b.py", ago=timedelta(hours=2))
    now = 100.0
    monkeypatch.setattr(settled_files.time, "monotonic", lambda: now)
    assert patched.queued() == {"b.py"}
    assert patched.queued() == set()
    patched.parse("b.py")
    now += settled_files.SECONDS_BETWEEN_OLD_FILES
    assert patched.queued() == {"a.py"}


def test_interval_is_a_setting(patched: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    patched.parse("a.py", ago=timedelta(seconds=61))
    patched.parse("b.py")
    monkeypatch.setenv("AIRFLOW__DAG_PROCESSOR__SETTLED_FILE_PROCESS_INTERVAL", "60")
    assert patched.queued() == {"a.py"}


def test_every_file_is_parsed_as_often_as_num_runs_says(patched: Any) -> None:
    patched.manager.max_runs = 2
    assert patched.parse("a.py") is None
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


def test_release_that_cannot_be_read_does_not_end_the_loop(
    patched: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(release: str) -> Any:
        raise OSError(release)

    patched.parse("a.py")
    patched.parse("b.py")
    monkeypatch.setattr(patched.manager._dag_bundles[0], "contents", broken)
    assert patched.release("r2", b="3") == {"a.py", "b.py"}
    patched.parse("a.py")
    assert patched.queued() == {"a.py", "b.py"}


def test_changed_file_that_is_not_settled_is_parsed_at_once_too(patched: Any) -> None:
    patched.parse("a.py")
    patched.parse("b.py", data={"watchers": ["w"]})
    assert patched.release("r2", b="3") == {"b.py"}


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


def test_file_whose_statistics_a_callback_has_replaced_is_parsed_soon(patched: Any) -> None:
    from airflow.dag_processing.manager import DagFileStat

    # Without the time of its last parse, Airflow would not notice stale DAGs of it.
    patched.parse("a.py")
    patched.parse("b.py")
    patched.manager._file_stats[patched.files["a.py"]] = DagFileStat()
    assert patched.queued() == {"a.py"}


def test_callbacks_and_requests_that_wait_stay_in_the_queue(patched: Any) -> None:
    from airflow_on_fargate.patches.dag_processor import settled_files

    patched.parse("a.py")
    patched.manager._file_queue[patched.files["a.py"]] = None
    settled_files._without_settled(lambda self, known_files: None)(
        patched.manager, {"releases": set(patched.files.values())}
    )
    assert list(patched.manager._file_queue) == [patched.files["a.py"]]


def test_other_bundles_keep_the_interval_of_airflow(patched: Any) -> None:
    patched.manager._dag_bundles = [SimpleNamespace(name="releases")]
    patched.parse("a.py")
    assert patched.queued() == {"a.py", "b.py"}


def test_version_of_a_static_file_is_recorded_with_its_parse(patched: Any) -> None:
    first = patched.parse("a.py", dags=2)
    assert set(first) == {"parse", "dags"}
    assert first["dags"] == 2
    assert patched.parse("a.py", dags=2) == first
    patched.release("r2", a="3")
    assert patched.parse("a.py", dags=2) != first


@pytest.mark.parametrize(
    "case", [{"errors": {"a.py": "ValueError"}}, {"data": {"watchers": [{"name": "w"}]}}]
)
def test_version_of_another_file_is_recorded_without_a_parse(
    patched: Any, case: dict[str, Any]
) -> None:
    assert patched.parse("a.py", **case) is None


def test_version_is_recorded_without_a_parse_while_the_served_release_is_not_known(
    patched: Any,
) -> None:
    patched.serve("r2")
    assert patched.parse("a.py") is None


def test_file_of_an_asset_with_a_watcher_keeps_the_interval_of_airflow(patched: Any) -> None:
    # Only a parse starts the watcher when the DAG is resumed, and ends it when it is paused.
    patched.parse("a.py", data={"dag": {"timetable": [{"watchers": [{"name": "w"}]}]}})
    patched.parse("b.py", data={"dag": {"timetable": [{"watchers": []}]}})
    assert patched.queued() == {"a.py"}


def test_start_takes_over_what_the_database_has(patched: Any) -> None:
    from airflow._shared.timezones import timezone

    from airflow_on_fargate.patches.dag_processor import settled_files

    parsed = Parse.from_version_data(patched.parse("a.py"))
    assert parsed
    at = timezone.utcnow() - timedelta(minutes=5)
    settled_files._settled.clear()
    patched.manager._file_stats.clear()
    patched.rows.known = {"a.py": Recorded(parsed, "r1", at)}
    assert patched.start() == {"b.py"}
    # Airflow compares it with the time at which the DAGs were recorded.
    assert patched.manager._file_stats[patched.files["a.py"]].last_finish_time == at
    assert patched.queued() == {"b.py"}


def test_file_that_a_user_asks_for_is_parsed_at_a_start(patched: Any) -> None:
    from airflow._shared.timezones import timezone

    parsed = Parse.from_version_data(patched.parse("a.py"))
    assert parsed
    patched.rows.known = {"a.py": Recorded(parsed, "r1", timezone.utcnow())}
    # Airflow looks for requests before the first refresh.
    patched.manager._file_queue[patched.files["a.py"]] = None
    assert patched.start() == {"a.py", "b.py"}


def test_start_is_a_sign_of_life_while_it_reads_many_files(
    patched: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow_on_fargate.patches.dag_processor import settled_files

    parsed = Parse.from_version_data(patched.parse("a.py"))
    assert parsed
    patched.rows.known = {"a.py": Recorded(parsed, "r1", None)}  # type: ignore[arg-type]
    seconds = iter(range(0, 100, 2))
    monkeypatch.setattr(settled_files.time, "monotonic", lambda: next(seconds))
    patched.start()
    assert patched.manager.heartbeats


def test_log_says_once_why_a_file_is_dynamic(
    patched: Any, caplog: pytest.LogCaptureFixture
) -> None:
    from airflow_on_fargate.patches.dag_processor import settled_files

    caplog.set_level("INFO", settled_files.log.name)
    for _ in range(2):
        patched.parse("a.py", data={"watchers": ["w"]})
    told = [line for line in caplog.messages if "a.py" in line]
    assert told == ["a.py is parsed as Airflow does it: an asset has watchers"]


def test_patch_fits_the_installed_airflow() -> None:
    from airflow_on_fargate import patches

    patches.apply("dag_processor.settled_files")
