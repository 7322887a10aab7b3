"""Start workers before the work is there: Airflow knows its schedule.

The scheduler publishes which runs are due and how many slots those before them used
(`airflow_on_fargate.forecast` in the image); the scaler needs no database. From that and from the
launch time that it has learned it follows when to start how many.

What a wrong forecast costs is bounded: never more than `budget` workers are started ahead, each
waits for its first task only until `GRACE_SECONDS` after the run is due, and each due run is
provided for once. A run that was not announced, or is larger, is served as without a forecast.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from contracts.forecast import LIFETIME_SECONDS, PublishedForecast

# A run's first task is queued some seconds after the run is due.
GRACE_SECONDS = 20
# From so many workers on, started for the same minute, the usual launch is allowed for instead of a
# slow one: the scheduler queues that many tasks over some seconds, the quicker workers take those
# that come first, and who comes last finds slots that are free again. With a few, one that is late
# is a fifth of the tasks that wait.
_MANY, _SAME_TIME_SECONDS = 20, 60.0


@dataclass(frozen=True)
class DueRun:
    """A run that will come, or a later part of one, and the slots that it will use in addition."""

    due: float
    slots: int


@dataclass(frozen=True)
class Forecast:
    """What the scheduler has published."""

    published_at: float
    runs: Sequence[DueRun] = ()

    @classmethod
    def of_queue(cls, published: PublishedForecast, queue: str) -> "Forecast":
        """What one queue's fleet has to expect."""
        runs = [DueRun(run.due, run.slots) for run in published.runs if run.queue == queue]
        return cls(published.published_at, runs)


NO_FORECAST = Forecast(0.0)


@dataclass(frozen=True)
class Outlook:
    """What to have now for what comes, and when to look again for what comes later."""

    slots: int = 0
    # For how long workers started now should wait for their first task.
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
    """The slots of all runs due within a launch (of `slowest` seconds, for many workers of
    `usual`), cut to `budget` workers.

    A run that is due already has tasks in the queue, where they are counted; counting it here too
    would provide for it twice.
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
