"""CloudWatch metric alarms: evaluated as AWS documents it, with actions on Lambda and EventBridge.

ministack 1.5.33 mixes all dimensions of a metric, evaluates one average over all periods, ignores
DatapointsToAlarm and TreatMissingData, and acts on SNS topics only. Here an alarm is evaluated on
its own metric, period by period; a Lambda action gets the documented payload, if the function's
policy allows CloudWatch to call it; a topic gets the message if its policy allows it; and every
change of state is an EventBridge event.
"""

import json
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ministack.services import cloudwatch, eventbridge

from embedded_aws.authorization.services import may_publish
from embedded_aws.cloudwatch.alarm_states import AlarmState, judge
from embedded_aws.lambda_functions.invocation import invoke_for_service
from embedded_aws.settings import ACCOUNT_ID, Settings

TOPIC_PRINCIPAL = "cloudwatch.amazonaws.com"
LAMBDA_PRINCIPAL = "lambda.alarms.cloudwatch.amazonaws.com"
_COMPARISONS = {
    "GreaterThanOrEqualToThreshold": lambda value, threshold: value >= threshold,
    "GreaterThanThreshold": lambda value, threshold: value > threshold,
    "LessThanThreshold": lambda value, threshold: value < threshold,
    "LessThanOrEqualToThreshold": lambda value, threshold: value <= threshold,
}
# The most minutes that are evaluated late.
_MOST_MINUTES = 60
_ACTION_LISTS = {
    "ALARM": "AlarmActions",
    "OK": "OKActions",
    "INSUFFICIENT_DATA": "InsufficientDataActions",
}

Alarm = dict[str, Any]
State = dict[str, str]


def install(settings: Settings) -> None:
    stock_actions = cloudwatch._dispatch_alarm_actions
    reported: dict[str, State] = {}  # by alarm ARN; the next event's previous state
    evaluated: dict[str, int] = {}  # by alarm ARN; the number of the last minute

    def evaluate(alarm: Alarm) -> None:
        """Every minute since the last call: on a busy machine this one may come late."""
        minute = settings.cloudwatch_minute_seconds
        last = int(time.time() // minute)
        first = max(evaluated.get(alarm["AlarmArn"], last) + 1, last - _MOST_MINUTES)
        for number in range(min(first, last), last + 1):
            evaluate_alarm(alarm, minute, number * minute)
        evaluated[alarm["AlarmArn"]] = last

    def act(alarm: Alarm, old: str, new: str, reason: str) -> None:
        stock_actions(_with_topics_that_allow_it(alarm, new), old, new, reason)
        event = _state_change(
            alarm, reported.get(alarm["AlarmArn"], {"value": old}), new, reason, settings
        )
        reported[alarm["AlarmArn"]] = event["alarmData"]["state"]
        if alarm.get("ActionsEnabled", True):
            for action in alarm.get(_ACTION_LISTS[new]) or []:
                if ":lambda:" in action:
                    invoke_for_service(
                        action, event, principal=LAMBDA_PRINCIPAL, source=alarm["AlarmArn"]
                    )
        _send_to_eventbridge(event)

    cloudwatch._evaluate_alarm = evaluate
    cloudwatch._dispatch_alarm_actions = act


def _with_topics_that_allow_it(alarm: Alarm, state: str) -> Alarm:
    """The alarm without the topics whose policy does not let CloudWatch publish."""
    name = _ACTION_LISTS[state]
    actions = [
        action
        for action in alarm.get(name) or []
        if ":sns:" not in action or may_publish(action, TOPIC_PRINCIPAL, alarm["AlarmArn"])
    ]
    return {**alarm, name: actions}


def evaluate_alarm(alarm: Alarm, minute: float, now: float) -> None:
    """Evaluate the periods that end at `now`, a full minute, and change the state if necessary."""
    if not alarm.get("MetricName"):
        return
    values = _values(alarm, minute, now)
    breaching = [None if value is None else _breaches(alarm, value) for value in values]
    old: AlarmState = alarm["StateValue"]
    new = judge(
        breaching,
        datapoints_to_alarm=int(alarm.get("DatapointsToAlarm") or len(breaching)),
        treat_missing_data=alarm.get("TreatMissingData") or "missing",
        current=old,
    )
    if new == old:
        return
    reason = _reason(alarm, values, breaching)
    alarm.update(StateValue=new, StateReason=reason, StateUpdatedTimestamp=int(time.time()))
    cloudwatch._record_history(alarm["AlarmName"], old, new, reason)
    cloudwatch._dispatch_alarm_actions(alarm, old, new, reason)
    cloudwatch._evaluate_parent_alarms(alarm)


def _values(alarm: Alarm, minute: float, now: float) -> list[float | None]:
    """The metric's value in each evaluation period, the newest first; None where it is missing."""
    dimensions = {d["Name"]: d["Value"] for d in alarm.get("Dimensions") or []}
    key = (alarm["Namespace"], alarm["MetricName"], cloudwatch._dims_key(dimensions))
    points = cloudwatch._metrics.get(key) or []
    period = int(alarm["Period"]) / 60 * minute
    values: list[float | None] = []
    for number in range(int(alarm["EvaluationPeriods"])):
        end = now - number * period
        found = [point for point in points if end - period <= point["Timestamp"] < end]
        values.append(_statistic(alarm, found) if found else None)
    return values


def _statistic(alarm: Alarm, points: Sequence[Mapping[str, Any]]) -> float | None:
    name = alarm.get("ExtendedStatistic") or alarm.get("Statistic")
    value: float | None = cloudwatch._stat_value(cloudwatch._calc_stats(points), name, points)
    return value


def _breaches(alarm: Alarm, value: float) -> bool:
    compare: Callable[[float, float], bool] = _COMPARISONS[alarm["ComparisonOperator"]]
    return compare(value, float(alarm["Threshold"]))


def _reason(alarm: Alarm, values: Sequence[float | None], breaching: Sequence[bool | None]) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return f"Unchecked: no datapoints were received for {len(values)} period(s)."
    count = sum(flag is True for flag in breaching)
    return (
        f"Threshold Crossed: {count} of the last {len(values)} datapoint(s) {known} breach "
        f"{alarm['ComparisonOperator']} {alarm['Threshold']}"
    )


def _state_change(
    alarm: Alarm, previous: State, new: str, reason: str, settings: Settings
) -> dict[str, Any]:
    """The payload of an alarm's Lambda action, as the CloudWatch user guide gives it."""
    now = time.time()
    timestamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1000):03}"
    timestamp += "+0000"
    return {
        "source": "aws.cloudwatch",
        "alarmArn": alarm["AlarmArn"],
        "accountId": ACCOUNT_ID,
        "time": timestamp,
        "region": settings.region,
        "alarmData": {
            "alarmName": alarm["AlarmName"],
            "state": {"value": new, "reason": reason, "timestamp": timestamp},
            "previousState": previous,
            "configuration": _configuration(alarm),
        },
    }


def _configuration(alarm: Alarm) -> dict[str, Any]:
    if not alarm.get("MetricName"):
        return {"alarmRule": alarm.get("AlarmRule", "")}
    dimensions = {d["Name"]: d["Value"] for d in alarm.get("Dimensions") or []}
    metric = {
        "namespace": alarm["Namespace"],
        "name": alarm["MetricName"],
        "dimensions": dimensions,
    }
    statistic = {
        "metric": metric,
        "period": int(alarm["Period"]),
        "stat": alarm.get("ExtendedStatistic") or alarm.get("Statistic"),
    }
    return {
        "description": alarm.get("AlarmDescription", ""),
        "metrics": [{"id": str(uuid.uuid4()), "metricStat": statistic, "returnData": True}],
    }


def _send_to_eventbridge(event: Mapping[str, Any]) -> None:
    entry = {
        "Source": "aws.cloudwatch",
        "DetailType": "CloudWatch Alarm State Change",
        "Detail": json.dumps(event["alarmData"]),
        "Resources": [event["alarmArn"]],
    }
    eventbridge._put_events({"Entries": [entry]}, allow_aws_source=True)
