"""The lines that CloudWatch Logs turns into metrics."""

import json

from airflow_on_fargate.contracts.metrics.series import BY_SOURCE, SERIES
from airflow_on_fargate.metrics.aggregate import MOST_VALUES
from airflow_on_fargate.metrics.embedded_format import MOST_BYTES, lines


def written(values: dict[str, list[float]]) -> list[bytes]:
    found = {BY_SOURCE[source]: numbers for source, numbers in values.items()}
    return list(lines(found, stack="airflow", component="scheduler", at_ms=1700000000123))


def test_line_has_what_the_specification_asks_for() -> None:
    (line,) = written({"scheduler_heartbeat": [12], "pool.open_slots": [0, 128]})

    assert line.endswith(b"\n") and line.count(b"\n") == 1
    assert json.loads(line) == {
        "_aws": {
            "Timestamp": 1700000000123,
            "CloudWatchMetrics": [
                {
                    "Namespace": "AirflowOnFargate",
                    "Dimensions": [["Stack"]],
                    "Metrics": [
                        {"Name": "SchedulerHeartbeat", "Unit": "Count"},
                        {"Name": "PoolOpenSlots", "Unit": "Count"},
                    ],
                }
            ],
        },
        "Stack": "airflow",
        "component": "scheduler",
        "SchedulerHeartbeat": 12.0,
        "PoolOpenSlots": [0.0, 128.0],
    }


def test_nothing_is_written_for_an_empty_minute() -> None:
    assert written({}) == []


def test_fullest_minute_is_written_in_lines_that_a_pipe_takes_at_once() -> None:
    full = {each.source: [123456.789 + n for n in range(MOST_VALUES)] for each in SERIES}
    found = written(full)

    assert max(map(len, found)) <= MOST_BYTES
    names = [
        metric["Name"]
        for line in found
        for metric in json.loads(line)["_aws"]["CloudWatchMetrics"][0]["Metrics"]
    ]
    assert sorted(names) == sorted(each.name for each in SERIES)
