"""How many slots a run takes when, from how many its predecessors took: arithmetic, no database.

A run rarely takes all its slots at once: one task fetches, then a hundred load. So a forecast is a
list of waves: at some seconds after the start, so many slots more than ever before in this run.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from statistics import median_high
from typing import Final

from airflow_on_fargate.contracts.forecast import ForecastRun

# Runs whose waves begin within that time share an entry: ten thousand at midnight are one line.
WAVE_SECONDS: Final = 10
# Later waves are left to the scaler, which sees them when they come.
WAVES: Final = 90
# No more entries than that, some 60 KB. The farthest are dropped, and come back when near.
_MOST_ENTRIES: Final = 1000

# Run -> wave -> the most slots that were in use at once during it.
Peaks = Mapping[str, Mapping[int, int]]
# Of one queue: for each wave the slots by which it exceeds all before.
Waves = tuple[int, ...]


def usual_waves(peaks: Peaks) -> Waves:
    """The waves of the usual run: wave by wave the (upper) median of what the runs took until then.

    The median, because one run with a backfill's worth of tasks, or none, says little of the next.
    """
    reached = []
    for by_wave in peaks.values():
        highest = [0]
        for wave in range(WAVES):
            highest.append(max(highest[-1], by_wave.get(wave, 0)))
        reached.append(highest)
    if not reached:
        return ()
    usual = [median_high(run[wave] for run in reached) for wave in range(WAVES + 1)]
    return tuple(after - before for before, after in pairwise(usual))


def entries(
    runs: Iterable[tuple[float, Mapping[str, Waves]]], now: float, until: float
) -> Sequence[ForecastRun]:
    """Entries after `now` and up to `until`, of runs given as (due, waves by queue)."""
    slots: dict[tuple[float, str], int] = defaultdict(int)
    for due, by_queue in runs:
        for queue, waves in by_queue.items():
            for number, size in enumerate(waves):
                moment = due + number * WAVE_SECONDS
                if size and now < moment <= until:
                    slots[moment // WAVE_SECONDS * WAVE_SECONDS, queue] += size
    found = sorted(ForecastRun(moment, queue, size) for (moment, queue), size in slots.items())
    return found[:_MOST_ENTRIES]
