"""Start workers ahead of due runs, using the scheduler's forecast.

The scheduler publishes which runs are due and how many slots earlier runs used
(`airflow_on_fargate.forecast` in the image), so the scaler needs no database. The forecast and the
learned launch times determine when to start how many workers.

The cost of a wrong forecast is bounded: at most `budget` workers are started ahead, each waits for
its first task only until `GRACE_SECONDS` after the run is due, and workers are started once for
each due run. A run that is not in the forecast, or is larger, is handled as without a forecast.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from contracts.forecast import LIFETIME_SECONDS, PublishedForecast

# A run's first task is queued some seconds after the run is due.
GRACE_SECONDS = 20
# If so many workers or more are started for the same minute, allow for the usual launch time
# instead of a slow one: the scheduler queues that many tasks over some seconds, the quicker workers
# take the first ones, and the last tasks find slots that are free again. With few workers, one that
# is late makes a large share of the tasks wait.
_MANY, _SAME_TIME_SECONDS = 20, 60.0


@dataclass(frozen=True)
class DueRun:
    """A due run, or a later part of one, and the slots that it will use in addition."""

    due: float
    slots: int


@dataclass(frozen=True)
class Forecast:
    """The scheduler's forecast for one queue."""

    published_at: float
    runs: Sequence[DueRun] = ()

    @classmethod
    def of_queue(cls, published: PublishedForecast, queue: str) -> "Forecast":
        """The part of a published forecast for one queue."""
        runs = [DueRun(run.due, run.slots) for run in published.runs if run.queue == queue]
        return cls(published.published_at, runs)


NO_FORECAST = Forecast(0.0)


@dataclass(frozen=True)
class Outlook:
    """The slots needed now for due runs, and when to check again for later runs."""

    slots: int = 0
    # How long workers that are started now wait for their first task.
    patience: int = 0
    look_at: float | None = None


def outlook(
    forecast: Forecast,
    now: float,
    *,
    slowest: float,
    usual: float,
    quickest: float,
    concurrency: int,
    budget: int,
) -> Outlook:
    """The slots of all runs that are due within a launch time (`slowest` seconds; `usual` seconds
    for many workers), limited to `budget` workers.

    A run that is already due has its tasks in the queue, where they are counted; counting it here,
    too, would start workers for it twice.
    """
    if budget < 1 or now - forecast.published_at > LIFETIME_SECONDS:
        return Outlook()
    ahead = [run for run in forecast.runs if run.due > now and run.slots > 0]

    def start(run: DueRun) -> float:
        together = [each for each in ahead if abs(each.due - run.due) <= _SAME_TIME_SECONDS]
        many = sum(each.slots for each in together) >= _MANY * concurrency
        return run.due - (usual if many else slowest)

    near = [run for run in ahead if start(run) <= now]
    later = [start(run) for run in ahead if start(run) > now]
    last = max((run.due for run in near), default=now)
    return Outlook(
        slots=min(sum(run.slots for run in near), budget * concurrency),
        patience=math.ceil(max(0.0, last - now - quickest)) + GRACE_SECONDS if near else 0,
        look_at=min(later, default=None),
    )
