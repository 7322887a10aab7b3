"""What a minute of packets becomes."""

from collections.abc import Sequence

import pytest

from airflow_on_fargate.contracts.metrics.series import BY_SOURCE
from airflow_on_fargate.metrics.aggregate import MOST_VALUES, Minute


def taken(*packets: bytes) -> dict[str, Sequence[float]]:
    minute = Minute()
    for packet in packets:
        minute.add_packet(packet)
    return {series.name: values for series, values in minute.take().items()}


def test_counters_are_added_up() -> None:
    found = taken(b"airflow.scheduler_heartbeat:1|c", b"airflow.scheduler_heartbeat:2|c")

    assert found == {"SchedulerHeartbeat": [3]}


def test_sampled_counter_counts_for_those_that_were_left_out() -> None:
    assert taken(b"airflow.ti_failures:1|c|@0.5") == {"TaskFailures": [2]}


def test_gauge_keeps_the_lowest_the_highest_and_the_last_value() -> None:
    packets = [f"airflow.pool.open_slots:{value}|g".encode() for value in (5, 128, 0, 7, 64)]

    assert taken(*packets) == {"PoolOpenSlots": [0, 128, 64]}


def test_gauge_that_does_not_change_is_one_value() -> None:
    assert taken(*[b"airflow.triggers.running:4|g"] * 3) == {"TriggersRunning": [4]}


def test_durations_are_kept_one_by_one() -> None:
    packet = b"airflow.task.queued_duration:12.5|ms\nairflow.task.queued_duration:3|ms"

    assert taken(packet) == {"TaskQueuedDuration": [12.5, 3]}


def test_of_many_durations_100_are_kept_with_the_longest() -> None:
    packets = [f"airflow.task.queued_duration:{value}|ms".encode() for value in range(1000)]
    middle = b"airflow.task.queued_duration:99999|ms"
    found = taken(*packets[:300], middle, *packets[300:])["TaskQueuedDuration"]

    assert len(found) == MOST_VALUES
    assert max(found) == 99999


@pytest.mark.parametrize(
    "packet",
    [
        b"airflow.dagbag_size:3|g",  # not in the list
        b"scheduler_heartbeat_of_others:1|c",
        b"airflow.scheduler_heartbeat:1|g",  # of another kind
        b"airflow.scheduler_heartbeat:many|c",
        b"airflow.scheduler_heartbeat:1|c|@0",
        b"airflow.triggers.running:+1|g",  # a change, whose base is unknown here
        b"airflow.triggers.running:nan|g",
        b"airflow.triggers.running",
        b"\xff\xfe",
        b"",
    ],
)
def test_other_packets_are_ignored(packet: bytes) -> None:
    assert taken(packet) == {}


def test_minute_is_empty_after_it_was_taken() -> None:
    minute = Minute()
    minute.add("ti_successes", 1)

    assert minute.take() == {BY_SOURCE["ti_successes"]: [1]}
    assert minute.take() == {}
