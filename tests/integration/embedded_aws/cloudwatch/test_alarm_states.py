"""How present and missing datapoints determine the state of an alarm (without an emulator)."""

import pytest

from embedded_aws.cloudwatch.alarm_states import AlarmState, judge

X, o, _ = True, False, None  # breaching, not breaching, missing; newest first


@pytest.mark.parametrize(
    ("flags", "needed", "treatment", "current", "expected"),
    [
        # one of one
        ([X], 1, "missing", "OK", "ALARM"),
        ([o], 1, "missing", "ALARM", "OK"),
        ([_], 1, "missing", "ALARM", "INSUFFICIENT_DATA"),
        ([_], 1, "ignore", "ALARM", "ALARM"),
        ([_], 1, "notBreaching", "ALARM", "OK"),
        ([_], 1, "breaching", "OK", "ALARM"),
        # three of three
        ([X, X, o], 3, "missing", "OK", "OK"),
        ([X, X, X], 3, "missing", "OK", "ALARM"),
        ([X, _, X], 3, "missing", "OK", "ALARM"),
        ([X, _, _], 3, "missing", "INSUFFICIENT_DATA", "OK"),
        ([X, _, X], 3, "notBreaching", "ALARM", "OK"),
        ([X, _, X], 3, "breaching", "OK", "ALARM"),
        ([X, _, X], 3, "ignore", "OK", "OK"),
        ([o, _, X], 3, "ignore", "ALARM", "OK"),
        # two of three
        ([X, o, X], 2, "missing", "OK", "ALARM"),
        ([o, o, X], 2, "missing", "ALARM", "OK"),
        ([o, _, X], 2, "ignore", "ALARM", "ALARM"),
    ],
)
def test_state_follows_from_the_datapoints(
    flags: list[bool | None],
    needed: int,
    treatment: str,
    current: AlarmState,
    expected: AlarmState,
) -> None:
    found = judge(flags, datapoints_to_alarm=needed, treat_missing_data=treatment, current=current)

    assert found == expected
