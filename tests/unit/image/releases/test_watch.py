"""What the dag-processor reports about releases, and when; database and bucket in memory."""

import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import pytest

from airflow_on_fargate.contracts.release_manifest import Exclusion
from airflow_on_fargate.contracts.release_reports import (
    EnvironmentReport,
    ExclusionReport,
    ImportErrorReport,
    ImportFailure,
    InUseReport,
    environment_key,
    exclusions_key,
    import_errors_key,
    in_use_key,
)
from airflow_on_fargate.releases import bundle, watch
from airflow_on_fargate.releases.ports import RecordedError
from airflow_on_fargate.releases.watch import (
    SECONDS_BETWEEN_ERROR_REPORTS,
    SECONDS_BETWEEN_USE_REPORTS,
    ReleaseWatch,
    failure,
    importable_packages,
)

FIRST, SECOND = "20260102T030405Z-0123456789", "20260102T040405Z-0123456789"
TRACE = """Traceback (most recent call last):
  File "/opt/airflow/dag_bundles/releases/current/a.py", line 7, in <module>
    from lib import tables
  File "/opt/airflow/dag_bundles/releases/current/lib/tables.py", line 2, in <module>
    import pandas
ModuleNotFoundError: No module named 'pandas'
"""


class World:
    """Clock, bucket and database."""

    prefix = "releases/"

    def __init__(self) -> None:
        self.moment = datetime(2026, 3, 1, tzinfo=UTC)
        self.objects: dict[str, bytes] = {}
        self.puts: list[str] = []
        self.broken = False
        self.errors: dict[str, RecordedError] = {}
        self.shown: list[dict[str, str]] = []
        self.in_use: dict[str, datetime | None] = {FIRST: None}

    def report(self, key: str) -> bytes | None:
        return self.objects.get(key)

    def put_report(self, key: str, data: bytes) -> None:
        if self.broken:
            raise OSError("S3 is out of reach")
        self.objects[key] = data
        self.puts.append(key)

    def releases_in_use(self) -> Mapping[str, datetime | None]:
        return self.in_use

    def import_errors(self) -> Sequence[RecordedError]:
        return list(self.errors.values())

    def show_exclusions(self, texts: Mapping[str, str]) -> None:
        if self.broken:
            raise OSError("the database is out of reach")
        self.shown.append(dict(texts))

    def fail(self, *paths: str, trace: str = TRACE) -> None:
        """Airflow fails to parse these files."""
        for path in paths:
            self.errors[path] = RecordedError(path, self.moment, trace)

    def repair(self, *paths: str) -> None:
        for path in paths:
            del self.errors[path]

    def watch(self) -> ReleaseWatch:
        return ReleaseWatch(self, self, lambda: self.moment, lambda: self.moment.timestamp())

    def wait(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)

    def reported(self, release: str = FIRST) -> ImportErrorReport | None:
        data = self.objects.get(import_errors_key(self.prefix, release))
        return ImportErrorReport.from_bytes(data) if data else None


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(watch, "importable_packages", lambda: frozenset({"boto3"}))
    return World()


def test_reports_releases_in_use_every_five_minutes(world: World) -> None:
    watch, key = world.watch(), in_use_key("releases/")
    watch.look(FIRST)
    assert InUseReport.from_bytes(world.objects[key]).releases == {FIRST: None}
    world.wait(SECONDS_BETWEEN_USE_REPORTS - 1)
    watch.look(FIRST)
    assert world.puts.count(key) == 1
    world.wait(1)
    watch.look(FIRST)
    # The same content again, because its date matters.
    assert world.puts.count(key) == 2


def test_reports_the_environment_only_when_it_changed(world: World) -> None:
    key = environment_key("releases/")
    watch = world.watch()
    watch.look(None)
    world.wait(10_000)
    watch.look(None)
    world.watch().look(None)
    assert world.puts.count(key) == 1
    assert EnvironmentReport.from_bytes(world.objects[key]).packages == {"boto3"}


def test_tries_again_without_raising_when_it_cannot_report(world: World) -> None:
    watch = world.watch()
    world.broken = True
    world.fail("a.py")
    watch.look(FIRST)
    assert world.objects == {}
    world.broken = False
    watch.look(FIRST)
    assert world.objects == {}, "not at once"
    world.wait(60)
    watch.look(FIRST)
    assert len(world.objects) == 3
    report = world.reported()
    assert report
    assert report.announce


def test_reports_a_failure_with_its_release(world: World) -> None:
    watch = world.watch()
    watch.look(FIRST)
    assert world.reported() is None
    world.wait(5)
    world.fail("lib/tables.py")
    watch.look(FIRST)
    named = ImportFailure("lib/tables.py", "ModuleNotFoundError", "No module named 'pandas'", 2)
    assert world.reported() == ImportErrorReport(FIRST, 1, (named,), announced=1, announce=True)


def test_withdraws_a_failure_when_it_is_resolved(world: World) -> None:
    watch = world.watch()
    world.fail("a.py", "b.py")
    watch.look(FIRST)
    world.repair("a.py")
    world.wait(SECONDS_BETWEEN_ERROR_REPORTS)
    watch.look(FIRST)
    report = world.reported()
    assert report
    assert [each.path for each in report.failures] == ["b.py"]
    world.repair("b.py")
    watch.look(FIRST)
    assert world.reported() == ImportErrorReport(FIRST, 0)


def test_writes_nothing_when_nothing_changed(world: World) -> None:
    watch = world.watch()
    world.fail("a.py")
    watch.look(FIRST)
    for _ in range(10):
        world.wait(30)
        # Parsed again, with the same result.
        world.fail("a.py")
        watch.look(FIRST)
    assert world.puts.count(import_errors_key("releases/", FIRST)) == 1


def test_does_not_report_failures_of_the_previous_release(world: World) -> None:
    watch = world.watch()
    world.fail("a.py", "b.py")
    watch.look(FIRST)
    world.wait(5)
    watch.look(SECOND)
    assert world.reported(SECOND) is None
    # a.py fails there as well, b.py has been repaired.
    world.wait(30)
    world.fail("a.py")
    watch.look(SECOND)
    assert (report := world.reported(SECOND)) and [each.path for each in report.failures] == [
        "a.py"
    ]


def test_announces_again_only_when_there_are_many_more_failures(world: World) -> None:
    watch = world.watch()
    watch.look(FIRST)
    announced = []
    for number in range(1, 9):
        world.fail(f"dag_{number}.py")
        world.wait(SECONDS_BETWEEN_ERROR_REPORTS)
        watch.look(FIRST)
        report = world.reported()
        assert report
        if report.announce:
            announced.append(report.total)
    assert announced == [1, 3, 7]


def test_limits_reports_when_a_release_breaks_many_files(world: World) -> None:
    watch = world.watch()
    for number in range(300):
        world.fail(f"dag_{number:03}.py")
        world.wait(1)
        watch.look(FIRST)
    assert world.puts.count(import_errors_key("releases/", FIRST)) <= 11
    report = world.reported()
    assert report
    assert len(report.failures) == 100 < report.total


def test_does_not_announce_again_after_a_restart(world: World) -> None:
    world.fail("a.py")
    world.watch().look(FIRST)
    world.wait(100)
    watch = world.watch()
    watch.look(FIRST)
    world.wait(30)
    world.fail("a.py")
    watch.look(FIRST)
    assert world.puts.count(import_errors_key("releases/", FIRST)) == 1
    world.repair("a.py")
    watch.look(FIRST)
    assert world.reported() == ImportErrorReport(FIRST, 0)


@pytest.mark.parametrize(
    ("trace", "expected"),
    [
        (TRACE, ImportFailure("a.py", "ModuleNotFoundError", "No module named 'pandas'", 7)),
        ("AirflowDagCycle: Cycle", ImportFailure("a.py", "AirflowDagCycle", "Cycle")),
        (
            'Traceback (most recent call last):\n  File "/x/a.py", line 3, in <module>\n'
            "    raise ValueError(\n    ^^^\nValueError: first\nsecond: line",
            ImportFailure("a.py", "ValueError", "first", 3),
        ),
        (
            'Traceback:\n  File "/x/a.py", line 1, in f\nOperationalError: '
            "postgresql://airflow:pass@db/x refused",
            ImportFailure("a.py", "OperationalError", "postgresql://***@db/x refused", 1),
        ),
        ("", ImportFailure("a.py", "Exception")),
        ("something odd happened", ImportFailure("a.py", "Exception", "something odd happened")),
    ],
)  # fmt: skip
def test_reads_line_and_error_from_a_stack_trace(trace: str, expected: ImportFailure) -> None:
    assert failure("a.py", trace) == expected


def test_names_importable_packages_without_the_standard_library() -> None:
    packages = importable_packages()
    assert {"airflow", "boto3", "pendulum", "yaml", "dateutil"} <= packages
    assert not packages & sys.stdlib_module_names
    assert "pandas" not in packages
    assert len(EnvironmentReport(packages).to_bytes()) < 50_000


def test_looks_after_each_refresh(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str | None] = []
    monkeypatch.setattr(bundle, "refreshed", [])
    monkeypatch.setattr(ReleaseWatch, "look", lambda self, release: seen.append(release))
    monkeypatch.setenv("DAG_BUCKET_NAME", "dags")
    watch.install()
    (observer,) = bundle.refreshed
    observer(FIRST)
    assert seen == [FIRST]


def test_shows_what_stays_out_after_each_refresh_until_the_release_changes(world: World) -> None:
    exclusion = Exclusion("a.py", "SyntaxError: invalid syntax", 3, FIRST)
    report = ExclusionReport(FIRST, (exclusion,))
    world.objects[exclusions_key("releases/", FIRST)] = report.to_bytes()
    watch = world.watch()
    watch.look(FIRST)
    # Airflow removes the record when it parses the version that stayed in.
    watch.look(FIRST)
    assert world.shown == [{"a.py": str(exclusion)}] * 2
    watch.look(SECOND)
    watch.look(SECOND)
    assert world.shown[2:] == [{}]


def test_shows_what_stays_out_when_the_database_is_back(world: World) -> None:
    report = ExclusionReport(FIRST, (Exclusion("a.py", "no"),))
    world.objects[exclusions_key("releases/", FIRST)] = report.to_bytes()
    watch = world.watch()
    world.broken = True
    watch.look(FIRST)
    world.broken = False
    world.wait(60)
    watch.look(FIRST)
    assert world.shown == [{"a.py": "a.py: no; the file is not in the release"}]


def test_the_environment_names_the_packages_of_providers() -> None:
    names = importable_packages()
    assert {"airflow.providers.amazon", "airflow.providers.common.sql"} <= names
    assert "airflow.providers.docker" not in names
