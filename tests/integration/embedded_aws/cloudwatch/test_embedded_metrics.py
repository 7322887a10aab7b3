"""Contract: lines of the embedded metric format in any log become metrics, others do not."""

import json
import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ..conftest import EmbeddedAws, eventually


def line(metric: str, value: Any, **changes: Any) -> dict[str, Any]:
    directive = {
        "Namespace": "ContractTests",
        "Dimensions": [["Stack"]],
        "Metrics": [{"Name": metric, "Unit": "Count"}],
    }
    about = {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [directive]}
    return {"_aws": about, "Stack": "mine", metric: value, **changes}


def write(embedded_aws: EmbeddedAws, *messages: str) -> None:
    logs = embedded_aws.client("logs")
    group = f"group-{uuid.uuid4().hex[:8]}"
    logs.create_log_group(logGroupName=group)
    logs.create_log_stream(logGroupName=group, logStreamName="stream")
    now = int(time.time() * 1000)
    logs.put_log_events(
        logGroupName=group,
        logStreamName="stream",
        logEvents=[{"timestamp": now, "message": message} for message in messages],
    )


def statistics(embedded_aws: EmbeddedAws, metric: str) -> list[dict[str, Any]]:
    now = datetime.now(UTC)
    found: list[dict[str, Any]] = embedded_aws.client("cloudwatch").get_metric_statistics(
        Namespace="ContractTests",
        MetricName=metric,
        Dimensions=[{"Name": "Stack", "Value": "mine"}],
        StartTime=now - timedelta(minutes=10),
        EndTime=now + timedelta(minutes=10),
        Period=3600,
        Statistics=["SampleCount", "Sum", "Maximum"],
    )["Datapoints"]
    return found


def test_values_of_a_line_are_datapoints(embedded_aws: EmbeddedAws) -> None:
    metric = f"Metric{uuid.uuid4().hex[:8]}"
    write(
        embedded_aws, "plain text", json.dumps(line(metric, [1, 2.5])), json.dumps(line(metric, 4))
    )

    def found() -> bool:
        points = statistics(embedded_aws, metric)
        totals = [sum(point[name] for point in points) for name in ("SampleCount", "Sum")]
        return totals == [3, 7.5] and max(point["Maximum"] for point in points) == 4

    eventually(found)


@pytest.mark.parametrize(
    ("value", "changes"),
    [
        ("many", {}),
        ([1] * 101, {}),
        (1, {"Stack": 5}),
        (1, {"_aws": {"Timestamp": 0, "CloudWatchMetrics": []}}),
    ],
    ids=["text", "101 values", "dimension without text", "old"],
)
def test_line_that_breaks_the_specification_makes_no_metric(
    value: Any, changes: dict[str, Any], embedded_aws: EmbeddedAws
) -> None:
    metric = f"Metric{uuid.uuid4().hex[:8]}"
    broken = json.dumps(line(metric, value, **changes))
    write(embedded_aws, broken, json.dumps(line(f"{metric}Sound", 1)))

    eventually(lambda: bool(statistics(embedded_aws, f"{metric}Sound")))
    assert statistics(embedded_aws, metric) == []
