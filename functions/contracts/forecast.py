"""The forecast: which runs are due and how many worker slots they will use.

    {"published_at": 1767225600.0, "runs": [{"due": 1767225900.0, "slots": 8, "queue": "default"}]}

Written by the scheduler, read by the scaler. Times are seconds since the epoch.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from .queues import DEFAULT_QUEUE

# In the state bucket.
KEY: Final = "fleet/forecast.json"

# The scheduler writes an unchanged forecast again after so long. The scaler ignores one that is
# older than the lifetime: its scheduler no longer runs, or no longer publishes, and the runs in it
# may have been paused since.
RENEWAL_SECONDS: Final = 300.0
LIFETIME_SECONDS: Final = 900.0


@dataclass(frozen=True, order=True, slots=True)
class ForecastRun:
    """So many slots of one queue are wanted from `due` on, in addition to those before."""

    due: float
    queue: str
    slots: int


@dataclass(frozen=True, slots=True)
class PublishedForecast:
    """All queues' runs, as they were known at `published_at`."""

    published_at: float
    runs: Sequence[ForecastRun] = ()

    def to_bytes(self) -> bytes:
        runs = [{"due": run.due, "slots": run.slots, "queue": run.queue} for run in self.runs]
        return json.dumps({"published_at": self.published_at, "runs": runs}).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> "PublishedForecast":
        """ValueError for bytes that are not a forecast."""
        document = json.loads(data)
        try:
            runs = tuple(_run(each) for each in document["runs"])
            published_at = float(document["published_at"])
        except (KeyError, TypeError, AttributeError, OverflowError) as error:
            raise ValueError(f"The forecast is not as expected: {error!r}") from error
        return cls(published_at, runs)


def _run(document: Any) -> ForecastRun:
    run = ForecastRun(
        due=float(document["due"]),
        # A forecast that names no queue is of an older image.
        queue=str(document.get("queue", DEFAULT_QUEUE)),
        slots=int(document["slots"]),
    )
    if run.slots < 0 or not math.isfinite(run.due):
        raise ValueError("A run needs a due time and a number of slots from 0 on")
    return run
