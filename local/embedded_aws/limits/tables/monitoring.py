"""CloudWatch: alarms and dashboards.

A dashboard's body is a string for CloudFormation and for the model of botocore. CloudWatch reads it
and refuses the dashboard: "Dashboard body structure and syntax" in its API reference.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from embedded_aws.limits.resources import Resource
from embedded_aws.limits.rules import Text, Unlimited
from embedded_aws.limits.tables.network import ARN

_SECONDS_OF_A_DAY: Final = 86400
_MOST_WIDGETS: Final = 500
_MOST_METRICS_OF_A_WIDGET: Final = 500
_MOST_METRICS_OF_A_DASHBOARD: Final = 2500
_MOST_DIMENSIONS: Final = 30
_COLUMNS: Final = 24
_MOST_BYTES: Final = 1_000_000
# What each kind of widget needs in its properties, one of each group.
_NEEDED: Final[Mapping[str, Sequence[Sequence[str]]]] = {
    "metric": (("region",), ("metrics", "annotations")),
    "text": (("markdown",),),
    "log": (("query",), ("region",)),
    "alarm": (("alarms",),),
    "explorer": (("metrics",), ("labels",)),
}
_VIEWS: Final = ("timeSeries", "singleValue", "gauge", "bar", "pie", "table")
_METRIC_OPTIONS: Final = {
    "accountId", "color", "expression", "id", "label", "period", "region", "stat", "visible",
    "yAxis",
}  # fmt: skip
_STATISTIC: Final = re.compile(
    r"SampleCount|Average|Sum|Minimum|Maximum|IQM|"
    r"(p|tm|tc|ts|wm)\d{1,2}(\.\d{1,10})?|(TM|TC|TS|WM|PR)\(.+\)"
)


def _alarm(properties: Mapping[str, Any]) -> Iterator[str]:
    metrics = properties.get("Metrics") or []
    if metrics:
        yield from _metric_math(properties, metrics)
        periods = [
            int(metric["MetricStat"]["Period"]) for metric in metrics if "MetricStat" in metric
        ]
    else:
        periods = [int(properties.get("Period", 60))]
        if ("Statistic" in properties) == ("ExtendedStatistic" in properties):
            yield "Statistic and ExtendedStatistic exclude each other, and one is needed"
        if not properties.get("MetricName") or not properties.get("Namespace"):
            yield "MetricName and Namespace are needed without Metrics (PutMetricAlarm)"
        if "Threshold" not in properties and "ThresholdMetricId" not in properties:
            yield "Threshold is needed (PutMetricAlarm)"
    for period in periods:
        if period not in (10, 20, 30) and (period % 60 or period <= 0):
            yield f"Period is {period}, allowed are 10, 20, 30 and multiples of 60 (PutMetricAlarm)"
    evaluated = int(properties.get("EvaluationPeriods", 1))
    length = max(periods, default=60) * evaluated
    most = _SECONDS_OF_A_DAY if max(periods, default=60) < 3600 else 7 * _SECONDS_OF_A_DAY
    if length > most:
        yield f"The periods have {length} seconds together, allowed are {most} (PutMetricAlarm)"
    if int(properties.get("DatapointsToAlarm", 1)) > evaluated:
        yield "DatapointsToAlarm is above EvaluationPeriods (PutMetricAlarm)"
    names = [dimension.get("Name") for dimension in properties.get("Dimensions") or []]
    for name in sorted({str(one) for one in names if names.count(one) > 1}):
        yield f"Dimensions have the name {name} twice (PutMetricAlarm)"


def _metric_math(
    properties: Mapping[str, Any], metrics: Sequence[Mapping[str, Any]]
) -> Iterator[str]:
    for name in ("MetricName", "Namespace", "Dimensions", "Period", "Statistic", "Unit"):
        if name in properties:
            yield f"{name} and Metrics exclude each other (PutMetricAlarm)"
    ids = [str(metric.get("Id", "")) for metric in metrics]
    for name in ids:
        if not re.fullmatch(r"[a-z][a-zA-Z0-9_]*", name):
            yield f"Metrics have the id {name!r}, which starts with no lower-case letter"
    if len(set(ids)) != len(ids):
        yield "Metrics have an id twice (PutMetricAlarm)"
    if sum("MetricStat" in metric for metric in metrics) > 10:
        yield "Metrics have more than 10 metrics (PutMetricAlarm)"
    for metric in metrics:
        if ("Expression" in metric) == ("MetricStat" in metric):
            yield "Metrics need an Expression or a MetricStat each (PutMetricAlarm)"
    returned = [metric for metric in metrics if metric.get("ReturnData", True) in (True, "true")]
    if len(returned) != 1:
        yield f"Metrics return {len(returned)} series, an alarm takes one (PutMetricAlarm)"


def _dashboard(properties: Mapping[str, Any]) -> Iterator[str]:
    text = str(properties.get("DashboardBody", ""))
    if len(text.encode()) > _MOST_BYTES:
        yield f"DashboardBody has more than {_MOST_BYTES} bytes (PutDashboard)"
    try:
        body = json.loads(text)
    except ValueError as error:
        yield f"DashboardBody is not valid JSON: {error} (PutDashboard)"
        return
    widgets = body.get("widgets") if isinstance(body, dict) else None
    if not isinstance(widgets, list):
        yield "DashboardBody has no list of widgets (PutDashboard)"
        return
    if len(widgets) > _MOST_WIDGETS:
        yield f"DashboardBody has {len(widgets)} widgets, allowed are {_MOST_WIDGETS}"
    series = 0
    for number, widget in enumerate(widgets):
        yield from (f"widgets[{number}]: {problem}" for problem in _widget(widget))
        series += len((widget.get("properties") or {}).get("metrics") or [])
    if series > _MOST_METRICS_OF_A_DASHBOARD:
        yield f"DashboardBody has {series} metrics, allowed are {_MOST_METRICS_OF_A_DASHBOARD}"


def _widget(widget: Mapping[str, Any]) -> Iterator[str]:
    kind = str(widget.get("type"))
    if kind not in _NEEDED:
        yield f"the type is {kind!r}, not one of {sorted(_NEEDED)}"
        return
    if ("x" in widget) != ("y" in widget):
        yield "x and y are needed together"
    yield from _within(widget, "x", 0, _COLUMNS - 1)
    yield from _within(widget, "y", 0, None)
    yield from _within(widget, "width", 1, _COLUMNS)
    yield from _within(widget, "height", 1, 1000)
    if unknown := set(widget) - {"type", "x", "y", "width", "height", "properties"}:
        yield f"{sorted(unknown)} are unknown"
    properties = widget.get("properties")
    if not isinstance(properties, dict):
        yield "there are no properties"
        return
    for group in _NEEDED[kind]:
        if not any(name in properties for name in group):
            yield f"the properties have no {' or '.join(group)}"
    if kind == "metric":
        yield from _metric_widget(properties)
    if kind == "alarm":
        alarms = properties.get("alarms") or []
        if not 1 <= len(alarms) <= 100:
            yield f"{len(alarms)} alarms are shown, allowed are 1 to 100"
        others = [arn for arn in alarms if not str(arn).startswith("arn:")]
        yield from (f"{arn!r} is not an ARN" for arn in others)


def _within(widget: Mapping[str, Any], name: str, least: int, most: int | None) -> Iterator[str]:
    value = widget.get(name, least)
    if not isinstance(value, int) or value < least or (most is not None and value > most):
        yield f"{name} is {value!r}, allowed are {least} to {'any' if most is None else most}"


def _metric_widget(properties: Mapping[str, Any]) -> Iterator[str]:
    if properties.get("view", "timeSeries") not in _VIEWS:
        yield f"the view is {properties['view']!r}, not one of {list(_VIEWS)}"
    metrics = properties.get("metrics") or []
    if len(metrics) > _MOST_METRICS_OF_A_WIDGET:
        yield f"{len(metrics)} metrics are shown, allowed are {_MOST_METRICS_OF_A_WIDGET}"
    for stat in [properties.get("stat", "Average"), *_stats(metrics)]:
        if not _STATISTIC.fullmatch(str(stat)):
            yield f"{stat!r} is not a statistic"
    for period in [properties.get("period", 300), *_periods(metrics)]:
        if period not in (1, 5, 10, 20, 30) and (not isinstance(period, int) or period % 60):
            yield f"the period is {period!r}, allowed are 1, 5, 10, 20, 30 and multiples of 60"
    try:
        shown = expanded(metrics)
    except ValueError as error:
        yield str(error)
        return
    for namespace, name, dimensions in shown:
        if len(dimensions) > _MOST_DIMENSIONS:
            yield f"{namespace} {name} has more than {_MOST_DIMENSIONS} dimensions"
    for line in (properties.get("annotations") or {}).get("horizontal") or []:
        values = line if isinstance(line, list) else [line]
        if any(not isinstance(each.get("value"), int | float) for each in values):
            yield "a horizontal annotation has no number as its value"


def _options(row: Sequence[Any]) -> Mapping[str, Any]:
    return row[-1] if row and isinstance(row[-1], dict) else {}


def _stats(metrics: Sequence[Sequence[Any]]) -> Iterator[Any]:
    return (_options(row)["stat"] for row in metrics if "stat" in _options(row))


def _periods(metrics: Sequence[Sequence[Any]]) -> Iterator[Any]:
    return (_options(row)["period"] for row in metrics if "period" in _options(row))


def expanded(
    metrics: Sequence[Sequence[Any]],
) -> list[tuple[str, str, dict[str, str]]]:
    """Namespace, name and dimensions of each metric, `.` and `...` replaced by what they repeat.

    Expressions are left out. ValueError says what CloudWatch would refuse.
    """
    found = []
    former: list[str] = []
    for row in metrics:
        options = _options(row)
        words = [word for word in row if not isinstance(word, dict)]
        if unknown := set(options) - _METRIC_OPTIONS:
            raise ValueError(f"the options {sorted(unknown)} of {words} are unknown")
        if "expression" in options:
            if words:
                raise ValueError(f"{words} has an expression and a metric")
            continue
        if "..." in words:
            ending = words[words.index("...") + 1 :]
            words = [*former[: len(former) - len(ending)], *ending]
        words = [
            former[place] if word == "." and place < len(former) else word
            for place, word in enumerate(words)
        ]
        if len(words) < 2 or len(words) % 2 or not all(isinstance(word, str) for word in words):
            raise ValueError(f"{words} is not a namespace, a name and pairs of dimensions")
        former = words
        found.append((words[0], words[1], dict(zip(words[2::2], words[3::2], strict=True))))
    return found


LIMITS: Final = {
    "AWS::CloudWatch::Alarm": Resource(
        "cloudwatch:PutMetricAlarm",
        rules={
            # Without control characters, says the API reference; the model has lengths only.
            "AlarmName": Text("CloudWatch: PutMetricAlarm", r"[^\x00-\x1f\x7f]+", most=255),
            "Namespace": Text("CloudWatch: PutMetricAlarm", r"[^:][0-9A-Za-z.\-_/#: ]*", most=255),
            "AlarmActions[]": ARN,
            "OKActions[]": ARN,
            "InsufficientDataActions[]": ARN,
            "TreatMissingData": Text(
                "CloudWatch: PutMetricAlarm", "breaching|notBreaching|ignore|missing"
            ),
        },
        checks=(_alarm,),
    ),
    "AWS::CloudWatch::Dashboard": Resource(
        rules={
            "DashboardName": Text("CloudWatch: PutDashboard", r"[A-Za-z0-9_-]+", most=255),
            "DashboardBody": Unlimited("looked at by the check of dashboards"),
        },
        checks=(_dashboard,),
    ),
}
