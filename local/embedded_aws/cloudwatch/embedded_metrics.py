"""Metrics in lines of a log: the embedded metric format, of functions and of containers.

ministack 1.5.33 stores such lines only. Here each event that is stored in any log stream is read,
and its values become datapoints at its own timestamp. As on AWS, a line that breaks the
specification makes no metric; here the log of the embedded AWS says so.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

import json
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ministack.services import cloudwatch_logs

from embedded_aws.cloudwatch import clock
from embedded_aws.settings import Settings

_MOST_METRICS = 100
_MOST_VALUES = 100
_MOST_DIMENSIONS = 30
_TWO_WEEKS = 14 * 24 * 3600
_TWO_HOURS = 2 * 3600

logger = logging.getLogger("embedded_aws.cloudwatch")


class EmbeddedMetricError(ValueError):
    """The line is not one from which CloudWatch makes metrics; the text says why."""


def install(_: Settings) -> None:
    store = cloudwatch_logs._append_log_events

    def store_and_read(stream: dict[str, Any], events: Sequence[Mapping[str, Any]]) -> None:
        store(stream, events)
        for event in events:
            _read(str(event.get("message", "")))

    cloudwatch_logs._append_log_events = store_and_read


def _read(message: str) -> None:
    # Of all lines of a log, few are looked at.
    if '"_aws"' not in message or not message.lstrip().startswith("{"):
        return
    try:
        for namespace, name, unit, dimensions, value, at in datapoints(message, time.time()):
            clock.record(namespace, name, value, dimensions, at, unit)
    except EmbeddedMetricError as error:
        logger.error("a line of a log makes no metrics: %s", error)


def datapoints(
    message: str, now: float
) -> Iterator[tuple[str, str, str, dict[str, str], float, float]]:
    """Namespace, name, unit, dimensions, value and time of each datapoint of a line."""
    try:
        record = json.loads(message)
        about = record["_aws"]
        at = float(about["Timestamp"]) / 1000
        directives = about["CloudWatchMetrics"]
    except (ValueError, KeyError, TypeError) as error:
        raise EmbeddedMetricError(f"{error!r}") from error
    if not now - _TWO_WEEKS <= at <= now + _TWO_HOURS:
        raise EmbeddedMetricError(f"the timestamp {about['Timestamp']} is too old or in the future")
    for directive in directives:
        yield from _of_directive(record, directive, at)


def _of_directive(
    record: Mapping[str, Any], directive: Mapping[str, Any], at: float
) -> Iterator[tuple[str, str, str, dict[str, str], float, float]]:
    metrics = directive.get("Metrics") or []
    if not directive.get("Namespace"):
        raise EmbeddedMetricError("there is no namespace")
    if len(metrics) > _MOST_METRICS:
        raise EmbeddedMetricError(f"{len(metrics)} metrics, allowed are {_MOST_METRICS}")
    for names in directive.get("Dimensions") or [[]]:
        dimensions = _dimensions(record, names)
        for metric in metrics:
            if metric["Name"] not in record:
                raise EmbeddedMetricError(f"{metric['Name']} has no value")
            for value in _values(record[metric["Name"]], metric["Name"]):
                unit = metric.get("Unit", "None")
                yield directive["Namespace"], metric["Name"], unit, dimensions, value, at


def _dimensions(record: Mapping[str, Any], names: Sequence[str]) -> dict[str, str]:
    if len(names) > _MOST_DIMENSIONS:
        raise EmbeddedMetricError(f"{len(names)} dimensions, allowed are {_MOST_DIMENSIONS}")
    for name in names:
        if not isinstance(record.get(name), str):
            raise EmbeddedMetricError(f"the dimension {name} has no text as its value")
    return {name: record[name] for name in names}


def _values(value: Any, name: str) -> list[float]:
    values = value if isinstance(value, list) else [value]
    if len(values) > _MOST_VALUES:
        raise EmbeddedMetricError(f"{name} has {len(values)} values, allowed are {_MOST_VALUES}")
    if not all(isinstance(each, int | float) and not isinstance(each, bool) for each in values):
        raise EmbeddedMetricError(f"{name} has a value that is not a number")
    return [float(each) for each in values]
