"""Each fault raises its alarm in time, its runbook repairs it, and the alarm clears.

Before that, an hour with work raises none. `make game-day`, some twenty minutes.
"""

import time
from datetime import UTC, datetime, timedelta

import pytest

from commands import smoke
from commands.steps import Steps
from commands.workspace import ROOT
from tests.gameday import recording, runbooks
from tests.gameday.faults import FAULTS, Fault
from tests.gameday.stack import GameDayStack

# The longest evaluation of the alarms, 30 minutes, and what a restart of a component takes.
CLEARED = 35
RESTARTED_SECONDS = 240


def test_1_no_alarm_is_raised_in_a_healthy_hour_with_work(stack: GameDayStack) -> None:
    # What the deployment itself raised ends first.
    end = time.monotonic() + CLEARED * stack.minute + RESTARTED_SECONDS
    while stack.raised() and time.monotonic() < end:
        time.sleep(stack.minute)
    seen: set[str] = set()
    hour_begins = datetime.now(UTC)
    smoke.run_dags(stack.api(), Steps())
    while datetime.now(UTC) - hour_begins < 60 * timedelta(seconds=stack.minute):
        seen |= set(stack.raised())
        time.sleep(stack.minute / 3)
    recording.record(stack, ROOT / "build" / "dashboard.json", hour_begins)

    assert seen == set()


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_2_fault_raises_its_alarm_and_the_runbook_clears_it(
    fault: Fault, stack: GameDayStack
) -> None:
    stack.wait_for_state(fault.alarm, "OK", CLEARED * stack.minute + RESTARTED_SECONDS)
    fault.inject(stack)
    try:
        raised = stack.wait_for_state(
            fault.alarm, "ALARM", fault.minutes * stack.minute + fault.seconds
        )
    finally:
        if fault.end:
            fault.end(stack)
    block = runbooks.repairs()[fault.name]
    stack.follow(block)
    cleared = stack.wait_for_state(fault.alarm, "OK", CLEARED * stack.minute + RESTARTED_SECONDS)
    print(
        f"{fault.name}: {fault.alarm} after {raised / stack.minute:.0f} min, "
        f"{block.file}, OK after {cleared / stack.minute:.0f} min"
    )


# Nothing of a game day makes them.
NEEDS_AN_EVENT = {
    # A release that leaves files out, or that somebody promotes.
    "ReleaseExclusions",
    "ReleasesPromoted",
    # Files that take more than minutes.
    "DagParseTimeouts",
    # Workers that end by themselves, that hang, or that end right after their start.
    "WorkersDied",
    "WorkersStopped",
    "WorkerLaunchesPaused",
    "TasksWithoutHeartbeat",
    "TasksKilledExternally",
    # Tasks, runs and triggers that fail.
    "TaskFailures",
    "FailedDagRunDuration",
    "TriggersFailed",
    "PoolStarvingTasks",
    # The api-server's own errors.
    "HTTPCode_Target_5XX_Count",
    # Scheduled runs.
    "ScheduleDelay",
    # The embedded AWS has none.
    "CPUCreditBalance",
}


def test_3_every_metric_of_the_dashboard_was_sent(stack: GameDayStack) -> None:
    assert recording.missing(stack) <= NEEDS_AN_EVENT
