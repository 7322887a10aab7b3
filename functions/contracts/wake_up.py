"""What the scheduler tells the scaler. The wake-up: it has published tasks.

    {"source": "scheduler", "published": {"<queue>": <number of tasks>, ...}}

The counts of the queues, where Valkey is the broker, to which the scaler has no connection:

    {"counted_at": 1767225600.0, "queues": {"default": {"waiting": 3, "held": 8}}}

`counted_at` is in seconds since the epoch.
"""

import json
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from .queues import DEFAULT_QUEUE

_SOURCE: Final = "scheduler"

# In the state bucket.
QUEUE_COUNTS_KEY: Final = "fleet/queue-counts.json"

# The scheduler writes unchanged counts again after so long, while there are messages. The scaler
# ignores older ones than the lifetime: no scheduler runs, so nobody knows what the queues hold.
RENEWAL_SECONDS: Final = 60.0
LIFETIME_SECONDS: Final = 300.0


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


@dataclass(frozen=True, slots=True)
class QueueCount:
    """Messages that wait, and messages that workers hold: as SQS counts them."""

    waiting: int = 0
    held: int = 0


@dataclass(frozen=True, slots=True)
class QueueCounts:
    """All queues' messages, as they were at `counted_at`."""

    counted_at: float
    queues: Mapping[str, QueueCount] = field(default_factory=dict)

    def of_queue(self, queue: str, now: float) -> QueueCount:
        """Zero for counts that are too old, and for a queue that they do not name."""
        if now - self.counted_at > LIFETIME_SECONDS:
            return QueueCount()
        return self.queues.get(queue, QueueCount())

    def to_bytes(self) -> bytes:
        queues = {
            queue: {"waiting": count.waiting, "held": count.held}
            for queue, count in self.queues.items()
        }
        return json.dumps({"counted_at": self.counted_at, "queues": queues}).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> "QueueCounts":
        """ValueError for bytes that are not counts."""
        document = json.loads(data)
        try:
            counted_at = float(document["counted_at"])
            queues = {
                str(queue): QueueCount(int(count["waiting"]), int(count["held"]))
                for queue, count in document["queues"].items()
            }
        except (KeyError, TypeError, AttributeError, OverflowError) as error:
            raise ValueError(f"The counts are not as expected: {error!r}") from error
        if not math.isfinite(counted_at) or any(
            count.waiting < 0 or count.held < 0 for count in queues.values()
        ):
            raise ValueError("The counts need a time, and numbers from 0 on")
        return cls(counted_at, queues)
