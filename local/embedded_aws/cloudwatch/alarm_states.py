"""How CloudWatch turns datapoints into the state of an alarm, missing ones included."""

from collections.abc import Sequence
from typing import Literal

AlarmState = Literal["OK", "ALARM", "INSUFFICIENT_DATA"]


def judge(
    breaching: Sequence[bool | None],
    *,
    datapoints_to_alarm: int,
    treat_missing_data: str,
    current: AlarmState,
) -> AlarmState:
    """The state that follows from one flag for each evaluation period, newest first.

    None stands for a period without data. The four treatments are those of the user guide's
    "Configuring how CloudWatch alarms treat missing data".
    """
    if treat_missing_data in ("breaching", "notBreaching"):
        breaching = [
            treat_missing_data == "breaching" if flag is None else flag for flag in breaching
        ]
    known = [flag for flag in breaching if flag is not None]
    if not known:
        return current if treat_missing_data == "ignore" else "INSUFFICIENT_DATA"
    if sum(known) >= datapoints_to_alarm:
        return "ALARM"
    if treat_missing_data == "ignore":
        # The state changes only if no value of the missing periods could prevent it.
        missing = len(breaching) - len(known)
        return current if sum(known) + missing >= datapoints_to_alarm else "OK"
    return "ALARM" if _breaches_since(breaching, datapoints_to_alarm) else "OK"


def _breaches_since(breaching: Sequence[bool | None], datapoints_to_alarm: int) -> bool:
    """Whether all known periods breach, over enough periods to alarm."""
    oldest = max(index for index, flag in enumerate(breaching) if flag is not None)
    return all(flag is not False for flag in breaching) and oldest >= datapoints_to_alarm - 1
