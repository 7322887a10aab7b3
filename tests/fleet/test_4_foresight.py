"""Airflow's schedule on the whole stack: the workers of a run are ready when it is due.

The first run of a DAG has no history and waits for a launch; it makes the second run predictable.
The learned launch times are removed before the second run, so that its workers are started as early
as on a new stack, and not within the few seconds that a launch takes here.
"""

import json
import time
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError
from waiting import PATIENCE_SECONDS

from commands.steps import wait_until
from tests.fleet.measures import seconds_of
from tests.fleet.small_fleet import STATE_KEY
from tests.fleet.stack import FLEET, Stack

DAG = Path(__file__).parent / "dags" / "fleet_foresight.py"
DAG_ID = "fleet_foresight"
FORECAST_KEY = "fleet/forecast.json"
TASKS, WORKERS = 3, 2
# The schedule of the DAG, and how long before a run its workers are launched, with a margin.
INTERVAL_SECONDS, LEAD_SECONDS = 180, 100


def test_workers_wait_for_a_run_when_it_is_due(stack: Stack) -> None:
    assert _forecast(stack) is None
    # In the smallest class the scheduler publishes no forecast.
    fleet = {**FLEET, "aheadMaxCount": 3}
    stack.deploy(EnvironmentClass="small", WorkerFleets=json.dumps({"default": fleet}))
    stack.wait_for_no_worker(240)
    _unpause(stack)

    first = _finished_run(stack, since=0)
    idle = _wait_for_idle_fleet(stack)
    _forget_launch_times(stack)
    second = _finished_run(stack, since=idle)

    cold, ahead = _waits(stack, first), _waits(stack, second)
    due = seconds_of(second["run_after"])
    started = [worker["createdAt"].timestamp() - due for worker in _workers_of(stack, idle, due)]
    print(f"\nlongest wait: {max(cold):.1f} s without a forecast, {max(ahead):.1f} s with one")
    print(f"workers started at {[f'{moment:.0f} s' for moment in started]} of the due time")
    print("\n".join(_account(stack, seconds_of(first["run_after"]), due)))

    assert len(ahead) == TASKS
    # No worker existed before these and none was started later, so the tasks ran on them.
    assert len(started) == WORKERS
    assert all(-120 < moment < 0 for moment in started)
    assert max(ahead) < max(cold)

    # A run that was due is not withdrawn, so pause the DAG while a run is forecast.
    wait_until(lambda: _next_due(stack), 240, "a forecast of the next run")
    _pause(stack)
    wait_until(lambda: _next_due(stack) is None, 240, "a forecast without the paused DAG")


def _wait_for_idle_fleet(stack: Stack) -> float:
    """Wait for a moment without workers, early enough before the next run; returns the moment.

    The first run starts when the DAG is unpaused, which may be a moment before the next is due.
    """
    while True:
        stack.wait_for_no_worker(PATIENCE_SECONDS)
        idle = time.time()
        if INTERVAL_SECONDS - idle % INTERVAL_SECONDS > LEAD_SECONDS:
            return idle
        _finished_run(stack, since=idle)


def _next_due(stack: Stack) -> float | None:
    """When the next run of the published forecast is due, if it has one."""
    runs = (_forecast(stack) or {"runs": []})["runs"]
    return min((run["due"] for run in runs if run["due"] > time.time()), default=None)


def _account(stack: Stack, since: float, due: float) -> list[str]:
    """The launches and ends of the workers, in seconds before and after the due time."""
    workers = stack.launched_since(since)
    return [
        f"  worker {worker['taskArn'][-6:]}: {worker['createdAt'].timestamp() - due:.0f} s to "
        + (f"{worker['stoppedAt'].timestamp() - due:.0f} s" if "stoppedAt" in worker else "now")
        + " "
        + str(worker["overrides"]["containerOverrides"][0]["environment"])
        for worker in workers
    ]


def _forecast(stack: Stack) -> dict[str, Any] | None:
    try:
        return stack.state_object(FORECAST_KEY)
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchKey":
            raise
        return None


def _forget_launch_times(stack: Stack) -> None:
    """Remove the learned launch times; the scaler rebuilds its state from what ECS lists."""
    bucket = stack.settings["STATE_BUCKET_NAME"]
    stack.client("s3").delete_object(Bucket=bucket, Key=STATE_KEY)


def _unpause(stack: Stack) -> None:
    bucket = stack.outputs["DagBucketName"]
    stack.client("s3").put_object(Bucket=bucket, Key=f"dags/{DAG.name}", Body=DAG.read_bytes())
    wait_until(lambda: DAG_ID in stack.api.dags(), PATIENCE_SECONDS, "the DAG")
    _set_paused(stack, False)


def _pause(stack: Stack) -> None:
    _set_paused(stack, True)


def _set_paused(stack: Stack, paused: bool) -> None:
    url = f"{stack.api.base_url}/api/v2/dags/{DAG_ID}"
    stack.api.session.patch(url, json={"is_paused": paused}, timeout=30).raise_for_status()


def _finished_run(stack: Stack, since: float) -> dict[str, Any]:
    """The first scheduled run that is due after this moment, once it has ended."""

    def found() -> dict[str, Any] | None:
        runs = stack.api.get(f"dags/{DAG_ID}/dagRuns", limit=100)["dag_runs"]
        later = [run for run in runs if seconds_of(run["run_after"]) > since]
        run = min(later, key=lambda run: seconds_of(run["run_after"]), default=None)
        return run if run and run["state"] in ("success", "failed") else None

    run = wait_until(found, 360, "a scheduled run's end")
    assert isinstance(run, dict)
    assert run["state"] == "success"
    return run


def _waits(stack: Stack, run: dict[str, Any]) -> list[float]:
    """The seconds from queueing to start, for each task."""
    tasks = stack.api.task_instances(DAG_ID, run["dag_run_id"])
    return [seconds_of(task["start_date"]) - seconds_of(task["queued_when"]) for task in tasks]


def _workers_of(stack: Stack, since: float, due: float) -> list[dict[str, Any]]:
    return [
        worker
        for worker in stack.launched_since(since)
        if worker["createdAt"].timestamp() < min(due + 60, time.time())
    ]
