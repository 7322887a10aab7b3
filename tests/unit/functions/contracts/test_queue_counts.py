"""The counts of the queues: what the scheduler writes, the scaler reads."""

import pytest

from contracts.wake_up import LIFETIME_SECONDS, RENEWAL_SECONDS, QueueCount, QueueCounts

COUNTS = QueueCounts(5.0, {"default": QueueCount(3, 8), "heavy": QueueCount()})


def test_counts_survive_writing_and_reading():
    assert QueueCounts.from_bytes(COUNTS.to_bytes()) == COUNTS


def test_counts_are_those_of_the_queue():
    assert COUNTS.of_queue("default", 6.0) == QueueCount(3, 8)


def test_queue_that_is_not_counted_has_no_messages():
    assert COUNTS.of_queue("new", 6.0) == QueueCount(0, 0)


def test_old_counts_say_nothing():
    last = COUNTS.counted_at + LIFETIME_SECONDS
    assert COUNTS.of_queue("default", last) == QueueCount(3, 8)
    assert COUNTS.of_queue("default", last + 0.1) == QueueCount(0, 0)


def test_counts_are_renewed_well_before_they_are_ignored():
    assert RENEWAL_SECONDS * 3 <= LIFETIME_SECONDS


@pytest.mark.parametrize(
    "data",
    [
        b"", b"[]", b"{}", b'{"counted_at": 1}', b'{"counted_at": 1, "queues": []}',
        b'{"counted_at": 1, "queues": {"default": 3}}',
        b'{"counted_at": 1, "queues": {"default": {"waiting": 1}}}',
        b'{"counted_at": 1, "queues": {"default": {"waiting": -1, "held": 0}}}',
        b'{"counted_at": 1, "queues": {"default": {"waiting": Infinity, "held": 0}}}',
        b'{"counted_at": NaN, "queues": {}}', b'{"counted_at": null, "queues": {}}',
    ],
)  # fmt: skip
def test_other_bytes_are_refused(data):
    with pytest.raises(ValueError):
        QueueCounts.from_bytes(data)
