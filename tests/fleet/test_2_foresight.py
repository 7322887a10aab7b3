"""Forecasts: the shipped scaler on the embedded AWS, and real workers.

The tests write the forecast and call the scaler like the scheduler. A real scheduler does this in
tests/integration/image/test_forecast_scheduler.py, and scheduler and scaler together in
test_4_foresight.
"""

import json
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from plain_workers import WorkerSettings
from waiting import PATIENCE_SECONDS, slowness

from commands.steps import wait_until
from commands.workspace import Workspace
from tests.fleet.small_fleet import NOTHING_WRONG, SmallFleet

# A worker that was not started ahead would exit long before the run is due.
BRISK = WorkerSettings(concurrency=2, idle_seconds=20, poll_seconds=2)
# The assumed launch time on a stack without launches, and the time from there to the first poll.
USUAL_LAUNCH_SECONDS = 85
# From a message to its start when a worker polls.
AT_ONCE_SECONDS = 4.0


@pytest.fixture
def fleet(workspace: Workspace, tmp_path: Path) -> SmallFleet:
    return SmallFleet(workspace, tmp_path, BRISK, WorkerAheadMaxCount="3", WorkerMaxCount="5")


def publish_forecast(fleet: SmallFleet, *runs: Mapping[str, object]) -> None:
    forecast = {"published_at": time.time(), "runs": list(runs)}
    fleet.plain.client("s3").put_object(
        Bucket=fleet.plain.name, Key="fleet/forecast.json", Body=json.dumps(forecast).encode()
    )
    fleet.plain.client("lambda").invoke(
        FunctionName=f"{fleet.plain.name}-scale-workers", InvocationType="Event", Payload=b"{}"
    )


def test_workers_wait_for_a_run_when_it_is_forecast(fleet: SmallFleet) -> None:
    # Due so late that the first call is too early, and a tick must come in time.
    due = time.time() + USUAL_LAUNCH_SECONDS + 80
    publish_forecast(fleet, {"due": due, "slots": 3, "queue": "default"})
    wait_until(fleet.plain.active, PATIENCE_SECONDS, "workers started ahead")
    wait_until(lambda: time.time() >= due, PATIENCE_SECONDS, "the due time", interval=0.2)

    waiting = fleet.plain.active()
    fleet.publish((0, 1), (0, 1), (0, 1)).wait()
    fleet.wait_for_runs(3, 60)
    fleet.wait_for_no_worker(60)

    started = sorted(worker["createdAt"].timestamp() - due for worker in fleet.plain.tasks())
    sent = fleet.plain.sent()
    waits = [began - sent[number] for number, began in fleet.plain.runs()]
    print(f"\nstarted at {started} s of the due time, waits {waits}")
    # Exactly two workers of two slots for three tasks, each ready when the run was due.
    assert len(waiting) == len(started) == 2
    # To the second: the tick comes earlier, and the function waits.
    assert all(abs(moment + USUAL_LAUNCH_SECONDS) <= 5 for moment in started)
    assert max(waits) <= AT_ONCE_SECONDS * slowness()
    assert fleet.counts() == NOTHING_WRONG


def test_cost_is_bounded_when_a_forecast_run_does_not_come(fleet: SmallFleet) -> None:
    due = time.time() + 25
    # Far more than the three workers that may be started ahead, and a queue without a fleet.
    publish_forecast(
        fleet,
        {"due": due, "slots": 1000, "queue": "default"},
        {"due": due, "slots": 1000, "queue": "elsewhere"},
    )
    wait_until(fleet.plain.active, PATIENCE_SECONDS, "workers started ahead")
    fleet.wait_for_no_worker(120)

    workers = fleet.plain.tasks()
    longest = max(worker["stoppedAt"].timestamp() for worker in workers) - due
    print(f"\n{len(workers)} workers, exited {longest:.0f} s after the due time")
    assert len(workers) == 3
    # The forecast's grace period, the time that a worker waits after it, and a slow machine.
    assert longest <= 90
    assert {worker["containers"][0]["exitCode"] for worker in workers} == {0}


def test_nothing_starts_when_the_forecast_is_outdated(
    fleet: SmallFleet,
) -> None:
    forecast = {
        "published_at": time.time() - 901,
        "runs": [{"due": time.time() + 20, "slots": 3, "queue": "default"}],
    }
    client = fleet.plain.client("s3")
    client.put_object(
        Bucket=fleet.plain.name, Key="fleet/forecast.json", Body=json.dumps(forecast).encode()
    )
    answer = fleet.plain.client("lambda").invoke(
        FunctionName=f"{fleet.plain.name}-scale-workers", Payload=b"{}"
    )
    assert "FunctionError" not in answer
    assert fleet.plain.tasks() == []
