"""The wake-up: the scheduler invokes the scaler when it has published tasks.

{"source": "scheduler", "published": {"<queue>": <number of tasks>, ...}}
"""

import json
from collections.abc import Collection, Mapping
from typing import Any, Final

from .queues import DEFAULT_QUEUE

_SOURCE: Final = "scheduler"


def wake_up(published: Mapping[str, int]) -> bytes:
    """The payload of the call."""
    return json.dumps({"source": _SOURCE, "published": dict(published)}).encode()


def is_wake_up(event: Mapping[str, Any]) -> bool:
    return event.get("source") == _SOURCE and event.keys() <= {"source", "published"}


def published_tasks(event: Mapping[str, Any], queues: Collection[str]) -> dict[str, int]:
    """How many tasks a wake-up reports, for those of the queues that it names.

    During an upgrade the scheduler may be older than the scaler and give one number, or none; or it
    may be newer and name a queue that the scaler does not know yet.
    """
    published = event.get("published", 0)
    if not isinstance(published, Mapping):
        published = {DEFAULT_QUEUE: published}
    return {
        queue: count if isinstance(count, int) and count > 0 else 0
        for queue, count in published.items()
        if queue in queues
    }
