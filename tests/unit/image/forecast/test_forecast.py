"""The forecast: the arithmetic of waves, and a publisher that does not delay the scheduler."""

import importlib
import json
import threading
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from waiting import PATIENCE_SECONDS

from airflow_on_fargate import forecast
from airflow_on_fargate.contracts.forecast import ForecastRun, PublishedForecast
from airflow_on_fargate.forecast import publisher
from airflow_on_fargate.forecast.publisher import Publisher
from airflow_on_fargate.forecast.waves import WAVES, entries, usual_waves

NOW = 1_800_000_000.0


def test_uses_the_median_of_the_runs() -> None:
    peaks = {"a": {0: 10}, "b": {0: 500}, "c": {0: 12}}
    assert usual_waves(peaks) == (12,) + (0,) * (WAVES - 1)


def test_uses_the_larger_of_two_runs() -> None:
    assert usual_waves({"a": {0: 1}, "b": {0: 3}})[0] == 3


def test_waves_count_only_slots_beyond_all_earlier_ones() -> None:
    peaks = {"a": {0: 4, 1: 1, 3: 9, 4: 7}}
    assert usual_waves(peaks)[:6] == (4, 0, 0, 5, 0, 0)


def test_runs_that_are_due_together_share_entries() -> None:
    runs = [(NOW + 60 + number / 2000, {"default": (1, 2)}) for number in range(10_000)]
    assert entries(runs, NOW, NOW + 900) == [
        ForecastRun(NOW + 60, "default", 10_000),
        ForecastRun(NOW + 70, "default", 20_000),
    ]


def test_number_of_entries_is_bounded() -> None:
    runs = [
        (NOW + 1 + second, {f"queue-{queue}": (1,) * WAVES})
        for second in range(0, 900, 10)
        for queue in range(50)
    ]
    found = entries(runs, NOW, NOW + 900)
    assert len(found) == 1000
    assert found == sorted(found)
    assert len(PublishedForecast(NOW, found).to_bytes()) < 80_000


def test_only_later_waves_are_entries_when_a_run_has_begun() -> None:
    assert entries([(NOW - 10, {"default": (5, 3, 2)})], NOW, NOW + 9) == []
    assert entries([(NOW - 10, {"default": (5, 3, 2)})], NOW, NOW + 60) == [
        ForecastRun(NOW + 10, "default", 2)
    ]


class Harness:
    """A publisher with inputs that the test sets."""

    def __init__(self) -> None:
        self.now = NOW
        self.found: list[ForecastRun] | None = []
        self.put: list[dict[str, Any]] = []
        self.notified = 0
        self.failing = False
        self.publisher = Publisher(self._look, self._put, self._tell, lambda: self.now)

    def _look(self, now: datetime) -> list[ForecastRun] | None:
        assert now == datetime.fromtimestamp(self.now, UTC)
        return self.found

    def _put(self, body: bytes) -> None:
        self.put.append(json.loads(body))

    def _tell(self) -> None:
        if self.failing:
            raise OSError("Lambda is away")
        self.notified += 1

    def look(self, after: float, *found: ForecastRun) -> tuple[int, int]:
        """How often it has written and notified since."""
        before = len(self.put), self.notified
        self.now += after
        self.found = list(found)
        self.publisher.publish()
        return len(self.put) - before[0], self.notified - before[1]


def test_writes_and_notifies_once_when_a_run_is_due_soon() -> None:
    harness = Harness()
    near = ForecastRun(NOW + 900, "default", 12)
    # An empty one replaces that of an earlier scheduler, without a notification.
    assert harness.look(0) == (1, 0)
    assert harness.look(60) == (0, 0)
    assert harness.look(60, near) == (1, 1)
    assert harness.look(60, near) == (0, 0)
    assert harness.put[-1] == {
        "published_at": NOW + 120,
        "runs": [{"due": NOW + 900, "slots": 12, "queue": "default"}],
    }


def test_writes_again_before_the_forecast_is_too_old() -> None:
    harness = Harness()
    near = ForecastRun(NOW + 900, "default", 12)
    harness.look(0, near)
    assert harness.look(299, near) == (0, 0)
    assert harness.look(1, near) == (1, 0)


def test_writes_nothing_when_a_forecast_run_has_begun() -> None:
    harness = Harness()
    soon, later = ForecastRun(NOW + 50, "default", 1), ForecastRun(NOW + 200, "default", 1)
    harness.look(0, soon, later)
    assert harness.look(60, later) == (0, 0)
    # Changed: a run that is no longer due is removed.
    assert harness.look(60) == (1, 0)


def test_notifies_again_when_the_first_time_failed() -> None:
    harness = Harness()
    harness.failing = True
    near = ForecastRun(NOW + 900, "default", 12)
    with pytest.raises(OSError, match="away"):
        harness.look(0, near)
    harness.failing = False
    assert harness.look(60, near) == (1, 1)


def test_publishes_only_when_no_other_scheduler_does() -> None:
    harness = Harness()
    near = ForecastRun(NOW + 900, "default", 12)
    harness.look(0, near)
    harness.found = None
    harness.publisher.publish()
    assert len(harness.put) == 1
    assert harness.look(60, near) == (1, 1)


@pytest.fixture
def heartbeat(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Install it; returns the function that Airflow calls after an update of a job, or None."""
    from sqlalchemy import event

    # Imported before, because it adds listeners itself.
    importlib.import_module("airflow.jobs.job")

    listening: list[Any] = []
    monkeypatch.setattr(event, "listen", lambda *arguments: listening.append(arguments[2]))

    def install(environment: dict[str, str]) -> Any:
        listening.clear()
        forecast.install(environment)
        return listening[0] if listening else None

    return install


STACK = {
    "WORKER_SCALER_FUNCTION_NAME": "stack-scale-workers",
    "WORKER_FORECAST_OBJECT": "s3://state/fleet/forecast.json",
}


@pytest.mark.parametrize("missing", STACK)
def test_does_nothing_when_forecasts_are_disabled(heartbeat: Any, missing: str) -> None:
    assert heartbeat({name: value for name, value in STACK.items() if name != missing}) is None


def test_heartbeat_is_not_delayed_when_the_database_hangs(
    heartbeat: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered, release = threading.Event(), threading.Event()
    asked_by: list[int | None] = []

    class Hanging(publisher.DatabaseLook):
        def __call__(self, now: datetime) -> None:
            asked_by.append(self._own_job())
            entered.set()
            release.wait(PATIENCE_SECONDS)

    monkeypatch.setattr(publisher, "DatabaseLook", Hanging)
    on_heartbeat = heartbeat(STACK)
    job = SimpleNamespace(job_type="SchedulerJob", id=7)
    done = threading.Event()

    def beat() -> None:
        for _ in range(100):
            on_heartbeat(None, None, job)
        done.set()

    threading.Thread(target=beat, daemon=True).start()
    assert done.wait(PATIENCE_SECONDS)
    assert entered.wait(PATIENCE_SECONDS)
    release.set()
    assert asked_by == [7]


def test_heartbeats_of_other_jobs_publish_nothing(
    heartbeat: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    signals: list[bool] = []
    monkeypatch.setattr(publisher.WakeUp, "signal", lambda self: signals.append(True))
    on_heartbeat = heartbeat(STACK)
    for kind in ("TriggererJob", "SchedulerJob"):
        on_heartbeat(None, None, SimpleNamespace(job_type=kind, id=7))
    assert signals == [True]


def test_failing_look_is_one_line_in_the_log(
    heartbeat: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    looked = threading.Semaphore(0)

    def fail(self: Any, now: datetime) -> None:
        looked.release()
        raise OSError("no route to the database")

    monkeypatch.setattr(publisher.DatabaseLook, "__call__", fail)
    monkeypatch.setattr(publisher, "LOOK_SECONDS", 0.01)
    on_heartbeat = heartbeat(STACK)
    for _ in range(2):
        # The thread survives the first failure.
        on_heartbeat(None, None, SimpleNamespace(job_type="SchedulerJob", id=7))
        assert looked.acquire(timeout=PATIENCE_SECONDS)
