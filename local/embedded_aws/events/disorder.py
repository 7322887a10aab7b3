"""Events late, in another order, and twice: what EventBridge allows, and AWS seldom shows.

Off unless `event_disorder_seconds` is set. Delays and repetitions follow the seed and the order in
which the events come.
"""

import contextvars
import threading
from collections.abc import Mapping
from typing import Any

from ministack.services import eventbridge

from embedded_aws.seed import generator_for
from embedded_aws.settings import Settings

# One event in so many is delivered twice.
_TWICE = 5


def install(settings: Settings) -> None:
    if not settings.event_disorder_seconds:
        return
    dispatch = eventbridge._dispatch_event
    generator = generator_for("events")
    lock = threading.Lock()

    def dispatch_late(event: Mapping[str, Any], view: Any = None) -> None:
        with lock:
            times = 2 if generator.randrange(_TWICE) == 0 else 1
            delays = [generator.uniform(0, settings.event_disorder_seconds) for _ in range(times)]
        for delay in delays:
            context = contextvars.copy_context()
            timer = threading.Timer(delay, context.run, (dispatch, event, view))
            timer.daemon = True
            timer.start()

    eventbridge._dispatch_event = dispatch_late
