"""How many slots a run will use and when, from its predecessors. Arithmetic only, no database.

A run rarely uses all its slots at once: one task fetches, then a hundred load. So a forecast is a
list of waves: at a number of seconds after the start, so many slots more than before in this run.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from statistics import median_high
from typing import Final

from airflow_on_fargate.contracts.forecast import ForecastRun

# Waves that begin within this time share an entry: ten thousand runs at midnight are one entry.
WAVE_SECONDS: Final = 10
# Later waves are not forecast; the scaler sees their tasks when they are queued.
WAVES: Final = 90
# At most so many entries, some 60 KB. The farthest are dropped, and return when they are near.
_MOST_ENTRIES: Final = 1000

# Run -> wave -> the most slots that were in use at once during it.
Peaks = Mapping[str, Mapping[int, int]]
# Of one queue: for each wave, the slots by which it exceeds all earlier ones.
Waves = tuple[int, ...]


def usual_waves(peaks: Peaks) -> Waves:
    """The waves of the usual run: for each wave the (upper) median of what runs used until then.

    The median, because one run with very many tasks, or none, says little about the next.
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
