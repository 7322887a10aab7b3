"""Each fault raises its alarm in time, its runbook repairs it, and the alarm clears.

Before that, an hour with work raises none. `make game-day`, some twenty minutes.
"""

import time

import pytest

from commands import smoke
from commands.steps import Steps
from tests.gameday import runbooks
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
    smoke.run_dags(stack.api(), Steps())
    begun = time.monotonic()
    seen: set[str] = set()
    while time.monotonic() - begun < 60 * stack.minute:
        seen |= set(stack.raised())
        time.sleep(stack.minute / 3)

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
