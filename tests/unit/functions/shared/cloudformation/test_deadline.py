"""Work that must end in time."""

import threading

import pytest

from shared.cloudformation.deadline import DeadlineError, within


def test_the_result_is_returned_when_the_work_ends_in_time():
    assert within(5, lambda: 7) == 7


def test_the_error_of_the_work_is_raised():
    def work():
        raise KeyError("x")

    with pytest.raises(KeyError):
        within(5, work)


def test_work_that_hangs_is_abandoned():
    hanging = threading.Event()
    with pytest.raises(DeadlineError, match="did not end within 0 s"):
        within(0.01, hanging.wait)
    hanging.set()
