"""The wake-up: a publish neither fails nor waits, whatever the call does."""

import threading
import time
from unittest.mock import patch

from celery.signals import after_task_publish
from waiting import PATIENCE_SECONDS

from airflow_on_fargate.celery.wakeup import WakeUp, install


class Calls:
    """Counts calls; the test can wait for them."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.published: list[dict[str, int]] = []
        self._changed = threading.Condition()

    def __call__(self, published: dict[str, int]) -> None:
        with self._changed:
            self.times.append(time.monotonic())
            self.published.append(published)
            self._changed.notify_all()

    def wait_for(self, count: int) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: len(self.times) >= count, PATIENCE_SECONDS)


def test_calls_immediately_at_the_first_signal() -> None:
    calls = Calls()
    WakeUp(calls, min_seconds_between_calls=60).signal()
    assert calls.wait_for(1)


def test_calls_once_more_after_the_pause_when_signalled_many_times() -> None:
    calls = Calls()
    wake_up = WakeUp(calls, min_seconds_between_calls=0.3)
    wake_up.signal()
    assert calls.wait_for(1)
    for _ in range(500):
        wake_up.signal()
        wake_up.signal("heavy")
    assert calls.wait_for(2)
    assert calls.times[1] - calls.times[0] >= 0.29
    assert calls.published == [{"default": 1}, {"default": 500, "heavy": 500}]
    # The trailing call covered all thousand.
    assert not wake_up._wanted.is_set()


def test_signal_returns_immediately_when_the_call_hangs() -> None:
    entered, release = threading.Event(), threading.Event()

    def hang(published: dict[str, int]) -> None:
        entered.set()
        release.wait(PATIENCE_SECONDS)

    wake_up = WakeUp(hang)
    wake_up.signal()
    assert entered.wait(PATIENCE_SECONDS)
    started = time.perf_counter()
    for _ in range(1000):
        wake_up.signal()
    assert time.perf_counter() - started < 0.5
    release.set()


def test_calls_again_when_a_call_failed() -> None:
    calls = Calls()

    def fail(published: dict[str, int]) -> None:
        calls(published)
        raise ConnectionError("no route")

    wake_up = WakeUp(fail, min_seconds_between_calls=0)
    wake_up.signal()
    assert calls.wait_for(1)
    wake_up.signal()
    assert calls.wait_for(2)


def test_does_not_raise_when_no_thread_can_be_started() -> None:
    with patch("threading.Thread.start", side_effect=RuntimeError("can't start new thread")):
        WakeUp(lambda published: None).signal()


def test_publish_invokes_the_function() -> None:
    invoked = threading.Event()
    arguments: dict[str, object] = {}

    class Client:
        def invoke(self, **given: object) -> None:
            arguments.update(given)
            invoked.set()

    receivers = list(after_task_publish.receivers)
    try:
        with patch("boto3.client", return_value=Client()):
            install("stack-scale-workers")
        after_task_publish.send(sender="execute_workload", exchange="", routing_key="heavy")
        assert invoked.wait(PATIENCE_SECONDS)
    finally:
        after_task_publish.receivers = receivers
    assert arguments == {
        "FunctionName": "stack-scale-workers",
        "InvocationType": "Event",
        "Payload": b'{"source": "scheduler", "published": {"heavy": 1}}',
    }


def test_install_does_not_raise_when_no_client_can_be_created() -> None:
    receivers = list(after_task_publish.receivers)
    with patch("boto3.client", side_effect=ValueError("no region")):
        install("stack-scale-workers")
    assert after_task_publish.receivers == receivers
