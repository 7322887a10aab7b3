"""Invoke the scaler as soon as a task is queued, at little cost.

A publish only sets an event. One daemon thread invokes the Lambda function asynchronously: at the
first publish immediately (the leading edge), then at most once every two seconds, with a last call
for what came in between (the trailing edge). No error here may fail or slow a publish: the alarm on
the queue invokes the scaler too, only later.
"""

import logging
import os
import threading
import time
from collections.abc import Callable
from typing import Any, Final

from airflow_on_fargate.contracts.queues import DEFAULT_QUEUE
from airflow_on_fargate.contracts.wake_up import wake_up

log = logging.getLogger(__name__)

MIN_SECONDS_BETWEEN_CALLS: Final = 2.0


class WakeUp:
    """A signal that many threads give at no cost, and that one thread acts on."""

    def __init__(
        self,
        call: Callable[[dict[str, int]], None],
        min_seconds_between_calls: float = MIN_SECONDS_BETWEEN_CALLS,
        name: str = "wake-up",
        trouble: str = "The worker scaler could not be invoked; the queue's alarm will invoke it",
    ) -> None:
        self._call = call
        self._name = name
        self._trouble = trouble
        self._pause = min_seconds_between_calls
        self._wanted = threading.Event()
        # Publishes since the last call, by queue. Counted without a lock, which could delay a
        # publish. A count that is lost does no harm: SQS counts the message some seconds later.
        self._published: dict[str, int] = {}
        self._start = threading.Lock()
        self._process_id: int | None = None

    def signal(self, queue: str = DEFAULT_QUEUE) -> None:
        """Request a call; returns immediately and never raises."""
        try:
            if self._process_id != os.getpid():
                self._start_thread()
            published = self._published
            published[queue] = published.get(queue, 0) + 1
            self._wanted.set()
        except Exception:
            log.exception("The thread %s could not be signalled", self._name)

    def _start_thread(self) -> None:
        # On first use, because a thread does not survive the forks of a starting scheduler.
        with self._start:
            if self._process_id != os.getpid():
                self._process_id = os.getpid()
                threading.Thread(target=self._run, daemon=True, name=self._name).start()

    def _run(self) -> None:
        while True:
            self._wanted.wait()
            self._wanted.clear()
            published, self._published = self._published, {}
            started = time.monotonic()
            try:
                self._call(published)
            except Exception as error:
                log.warning("%s: %s", self._trouble, error)
            time.sleep(max(0.0, self._pause - (time.monotonic() - started)))


def install(function_name: str, before: Callable[[], None] | None = None) -> None:
    """Invoke the function whenever this process publishes a task.

    `before` is called first, in the thread of the calls.
    """
    from celery.signals import after_task_publish

    invoke = _invocation_of(function_name)
    if invoke is None:
        return

    def call(published: dict[str, int]) -> None:
        if before:
            before()
        invoke(published)

    caller = WakeUp(call)

    def on_publish(routing_key: str | None = None, **_: Any) -> None:
        # Celery's name of the queue, where it creates queues on demand.
        caller.signal(routing_key or DEFAULT_QUEUE)

    after_task_publish.connect(on_publish, weak=False)


def _invocation_of(function_name: str) -> Callable[[dict[str, int]], None] | None:
    """An asynchronous invocation. The client is created now: the first task should not wait."""
    import boto3
    from botocore.config import Config

    try:
        client = boto3.client(
            "lambda",
            config=Config(connect_timeout=3, read_timeout=5, retries={"total_max_attempts": 2}),
        )
    except Exception:
        log.exception("No Lambda client: only the queue's alarm will invoke the scaler")
        return None

    def invoke(published: dict[str, int]) -> None:
        client.invoke(
            FunctionName=function_name, InvocationType="Event", Payload=wake_up(published)
        )

    return invoke
