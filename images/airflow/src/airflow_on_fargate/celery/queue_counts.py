"""Tells the scaler how many messages Valkey holds: `fleet/queue-counts.json`.

The scaler is a function outside the VPC and cannot ask Valkey. The scheduler can. It counts after
it has published tasks, before it calls the scaler, and with each of its heartbeats. It writes the
counts when they have changed, and once a minute while there are messages.

With SQS, an alarm on the queue finds a message that no call announced. Here the heartbeats do:
while messages wait, the scaler is called once a minute. Every scheduler does this, so the loss of
one costs nothing. Without any scheduler the counts get old, and the scaler ignores them.

An error only makes the counts late. No error here may fail or slow a publish, or the scheduler's
loop: all of it runs in threads of their own.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Final

from airflow_on_fargate.celery import broker, scaler
from airflow_on_fargate.celery.wakeup import WakeUp
from airflow_on_fargate.configuration import BROKER_URL, is_valkey
from airflow_on_fargate.contracts.wake_up import RENEWAL_SECONDS, QueueCount, QueueCounts

log = logging.getLogger(__name__)

OBJECT: Final = "WORKER_QUEUE_COUNTS_OBJECT"
# The scheduler's heartbeats come every five seconds.
LOOK_SECONDS: Final = 5.0

Counts = Mapping[str, QueueCount]


class Publisher:
    """Counts, writes what has changed, and calls the scaler while messages wait."""

    def __init__(
        self,
        count: Callable[[], Counts],
        put: Callable[[bytes], None],
        notify: Callable[[], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._count = count
        self._put = put
        self._notify = notify
        self._clock = clock
        # A publish and a heartbeat may come at the same time.
        self._lock = threading.Lock()
        self._written: Counts | None = None
        self._written_at = 0.0
        self._notified_at = clock()

    def publish(self) -> None:
        """Count, and write the counts when they have changed or are old."""
        with self._lock:
            self._publish()

    def _publish(self) -> Counts:
        # Before the messages are counted, so that counts never seem younger than they are.
        now = self._clock()
        counts = dict(self._count())
        messages = any(count.waiting or count.held for count in counts.values())
        old = messages and now - self._written_at >= RENEWAL_SECONDS
        if counts != self._written or old:
            # A failed attempt may have written, so the next one writes again.
            self._written = None
            self._put(QueueCounts(now, counts).to_bytes())
            self._written, self._written_at = counts, now
        return counts

    def look(self) -> None:
        """The same with a heartbeat, which also calls the scaler while messages wait."""
        with self._lock:
            counts = self._publish()
            now = self._clock()
            if not any(count.waiting for count in counts.values()):
                # The next message that waits is reported a minute after it came, like by an alarm.
                self._notified_at = now
            elif now - self._notified_at >= RENEWAL_SECONDS:
                self._notify()
                self._notified_at = now


def install(environment: Mapping[str, str]) -> Callable[[], None] | None:
    """Count with every heartbeat of this process's scheduler; returns what to call after a publish.

    None where the broker is not Valkey.
    """
    url = environment.get(OBJECT)
    function_name = environment.get("WORKER_SCALER_FUNCTION_NAME")
    if not url or not function_name or not is_valkey(environment.get(BROKER_URL, "")):
        return None
    try:
        publisher = _publisher(environment, url, function_name)
    except Exception:
        log.exception("The queues cannot be counted: workers start only when tasks are published")
        return None
    thread = WakeUp(
        lambda _: publisher.look(),
        LOOK_SECONDS,
        name="queue-counts",
        trouble="The messages of the queues could not be counted; the next heartbeat tries again",
    )
    scaler.with_each_heartbeat(lambda _job_id: thread.signal())

    def after_publish() -> None:
        try:
            publisher.publish()
        except Exception as error:
            # The call still says how many tasks were published.
            log.warning("The messages of the queues could not be counted: %s", error)

    return after_publish


def _publisher(environment: Mapping[str, str], url: str, function_name: str) -> Publisher:
    put, notify = scaler.calls(url, function_name)
    valkey = broker.connect(environment)
    queues = broker.queues_of(environment)
    timeout = broker.visibility_timeout(environment)

    def count() -> Counts:
        return broker.count(valkey, queues, timeout)

    return Publisher(count, put, notify)
