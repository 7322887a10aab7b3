"""What the dashboard shows, read from the embedded AWS: which metrics exist, and their values."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from commands.workspace import stack_name
from tests.gameday.stack import GameDayStack

Metric = tuple[str, str, Mapping[str, str], Mapping[str, Any]]


def body(stack: GameDayStack) -> dict[str, Any]:
    """The dashboard as it was deployed."""
    answer = stack.client("cloudwatch").get_dashboard(DashboardName=stack_name())
    found: dict[str, Any] = json.loads(answer["DashboardBody"])
    return found


def metrics_of(widget: Mapping[str, Any]) -> Iterator[Metric]:
    """Without expressions. The template repeats no part of a metric by a dot."""
    for row in widget["properties"].get("metrics") or []:
        words = [word for word in row if isinstance(word, str)]
        options = row[-1] if isinstance(row[-1], dict) else {}
        if words:
            dimensions = dict(zip(words[2::2], words[3::2], strict=True))
            yield words[0], words[1], dimensions, options


def missing(stack: GameDayStack) -> set[str]:
    """The names of metrics that a widget shows and nothing has sent."""
    there = {
        (each["Namespace"], each["MetricName"],
         tuple(sorted((one["Name"], one["Value"]) for one in each["Dimensions"])))
        for page in stack.client("cloudwatch").get_paginator("list_metrics").paginate()
        for each in page["Metrics"]
    }  # fmt: skip
    return {
        name
        for widget in body(stack)["widgets"]
        for namespace, name, dimensions, _ in metrics_of(widget)
        if (namespace, name, tuple(sorted(dimensions.items()))) not in there
    }


def record(stack: GameDayStack, path: Path, begun: datetime) -> None:
    """Write what `bench.dashboard` draws: the values since `begun` in minutes of CloudWatch."""
    ended = datetime.now(UTC)
    minutes = (ended - begun).total_seconds() / stack.minute
    shown = body(stack)["widgets"]
    (names,) = (each["properties"]["alarms"] for each in shown if each["type"] == "alarm")
    alarms = [arn.rpartition(":")[2].removeprefix(f"{stack_name()}-") for arn in names]
    recorded = {
        "recorded": f"{begun:%Y-%m-%d}",
        "minutes": round(minutes),
        "alarms": {name: stack.state(name) for name in alarms},
        "widgets": [_widget(stack, each, begun, ended) for each in shown],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(recorded, indent=1) + "\n")


def _widget(
    stack: GameDayStack, widget: Mapping[str, Any], begun: datetime, ended: datetime
) -> dict[str, Any]:
    properties = widget["properties"]
    title = properties.get("title") or properties["markdown"].lstrip("# ")
    lines = (properties.get("annotations") or {}).get("horizontal") or []
    place = {name: widget[name] for name in ("type", "x", "y", "width", "height")}
    series = []
    for namespace, name, dimensions, options in metrics_of(widget):
        stat = options.get("stat", properties["stat"])
        points = _points(stack, namespace, name, dimensions, stat, begun, ended)
        series.append({"label": options.get("label", name), "points": points})
    return {**place, "title": title, "lines": lines, "series": series}


def _points(
    stack: GameDayStack,
    namespace: str,
    name: str,
    dimensions: Mapping[str, str],
    stat: str,
    begun: datetime,
    ended: datetime,
) -> Sequence[tuple[float, float]]:
    """One for each minute of CloudWatch, which is shorter here than its shortest period."""
    found: list[tuple[float, float]] = []
    minute = timedelta(seconds=stack.minute)
    answer = stack.client("cloudwatch").get_metric_statistics(
        Namespace=namespace, MetricName=name, StartTime=begun, EndTime=ended, Period=1,
        Dimensions=[{"Name": key, "Value": value} for key, value in dimensions.items()],
        **({"ExtendedStatistics": [stat]} if stat.startswith("p") else {"Statistics": [stat]}),
    )  # fmt: skip
    for point in sorted(answer["Datapoints"], key=lambda each: each["Timestamp"]):
        value = point.get("ExtendedStatistics", {}).get(stat, point.get(stat))
        at = (point["Timestamp"] - begun) / minute
        found.append((round(at, 1), float(f"{value:.4g}")))
    return found
