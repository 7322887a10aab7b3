"""Lines of the embedded metric format, from which CloudWatch Logs makes metrics.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from airflow_on_fargate.contracts.metrics.series import DIMENSION, NAMESPACE, Series

# One write of at most so many bytes into a pipe is not mixed with the lines of other processes.
MOST_BYTES = 4096


def lines(
    values: Mapping[Series, Sequence[float]], *, stack: str, component: str, at_ms: int
) -> Iterator[bytes]:
    """The values as few lines, each with its line end."""
    together: dict[Series, Sequence[float]] = {}
    ready = b""
    for series, numbers in values.items():
        longer = _line({**together, series: numbers}, stack, component, at_ms)
        if together and len(longer) > MOST_BYTES:
            yield ready
            together = {}
            longer = _line({series: numbers}, stack, component, at_ms)
        together[series] = numbers
        ready = longer
    if together:
        yield ready


def _line(
    values: Mapping[Series, Sequence[float]], stack: str, component: str, at_ms: int
) -> bytes:
    record: dict[str, Any] = {
        "_aws": {
            "Timestamp": at_ms,
            "CloudWatchMetrics": [
                {
                    "Namespace": NAMESPACE,
                    "Dimensions": [[DIMENSION]],
                    "Metrics": [{"Name": each.name, "Unit": each.unit.value} for each in values],
                }
            ],
        },
        DIMENSION: stack,
        # Not a dimension, which would make another series: for queries of the log.
        "component": component,
    }
    for series, numbers in values.items():
        shown = [float(f"{number:.6g}") for number in numbers]
        record[series.name] = shown[0] if len(shown) == 1 else shown
    return json.dumps(record, separators=(",", ":")).encode() + b"\n"
