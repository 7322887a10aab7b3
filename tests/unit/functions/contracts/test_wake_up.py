"""The wake-up: what the scheduler sends, the scaler understands."""

import json

import pytest

from contracts.wake_up import is_wake_up, published_tasks, wake_up

QUEUES = {"default", "heavy"}


def test_wake_up_survives_the_call():
    event = json.loads(wake_up({"default": 3, "heavy": 1}))
    assert is_wake_up(event)
    assert published_tasks(event, QUEUES) == {"default": 3, "heavy": 1}


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ({"source": "scheduler"}, {"default": 0}),
        ({"source": "scheduler", "published": 4}, {"default": 4}),
        ({"source": "scheduler", "published": {"heavy": "many", "new": 7}}, {"heavy": 0}),
    ],
)
def test_wake_up_of_another_version_is_understood(event, expected):
    assert is_wake_up(event)
    assert published_tasks(event, QUEUES) == expected


@pytest.mark.parametrize("event", [{}, {"source": "tick"}, {"source": "scheduler", "other": 1}])
def test_other_events_are_not_wake_ups(event):
    assert not is_wake_up(event)
