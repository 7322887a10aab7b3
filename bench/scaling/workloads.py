"""Workloads by name, and traces: when each task is queued and how long it runs.

Durations are lognormal, like those of real jobs. The scheduler queues the tasks of a burst over
some seconds. Everything is drawn from the seed: with the same seed every policy gets the same
tasks.
"""

import csv
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from bench.scaling.parameters import InputError

HOUR = 3600.0
# Tasks that a scheduler queues per second.
QUEUED_PER_SECOND = 50.0
DEFAULT_QUEUE = "default"


@dataclass(frozen=True)
class Task:
    """One task: its arrival in seconds from the start of the run, and its duration."""

    arrival: float
    duration: float
    queue: str = DEFAULT_QUEUE


@dataclass(frozen=True)
class DueRun:
    """What Airflow knows in advance: a run is due, and how many slots it used the last time."""

    due: float
    slots: int


@dataclass(frozen=True)
class Workload:
    name: str
    tasks: Sequence[Task]
    due_runs: Sequence[DueRun] = ()


def _duration(random: Random, median: float, spread: float) -> float:
    return min(max(1.0, median * math.exp(random.gauss(0, spread))), 8 * HOUR)


def _burst(random: Random, start: float, count: int, median: float, spread: float) -> list[Task]:
    # A run's first tasks are queued a second or so after it is due.
    start += random.uniform(0.5, 3.0)
    return [
        Task(
            start + index / QUEUED_PER_SECOND + random.uniform(0, 0.5),
            _duration(random, median, spread),
        )
        for index in range(count)
    ]


def _poisson(random: Random, end: float, every: float, median: float) -> list[Task]:
    tasks: list[Task] = []
    moment = random.expovariate(1 / every)
    while moment < end:
        tasks.append(Task(moment, _duration(random, median, 0.6)))
        moment += random.expovariate(1 / every)
    return tasks


def _about(random: Random, usual: float) -> int:
    """A size that varies around the usual one. The forecast of a run is the size of another run."""
    return max(1, round(usual * random.uniform(0.85, 1.15)))


def midnight_burst(random: Random) -> Workload:
    """Everything at midnight: 500 tasks of about two minutes, and no other work."""
    tasks = _burst(random, HOUR, 500, 120, 0.7)
    return Workload("midnight-burst", tasks, [DueRun(HOUR, _about(random, 500))])


def hourly_fan_out(random: Random) -> Workload:
    """A mapped task of 1,000 each hour, for eight hours; each takes about a minute."""
    tasks, due = [], []
    for hour in range(1, 9):
        tasks += _burst(random, hour * HOUR, 1000, 60, 0.6)
        due.append(DueRun(hour * HOUR, _about(random, 1000)))
    return Workload("hourly-fan-out", tasks, due)


def trickle(random: Random) -> Workload:
    """A task about every four minutes, all day, at unpredictable times (sensors, users)."""
    return Workload("trickle", _poisson(random, 24 * HOUR, 240, 60))


def long_tasks(random: Random) -> Workload:
    """Six-hour tasks that must survive, and small bursts every half hour."""
    tasks = [Task(random.uniform(0, 10 * HOUR), random.uniform(5.5, 6.5) * HOUR) for _ in range(6)]
    for half_hour in range(1, 28):
        tasks += _burst(random, half_hour * HOUR / 2, random.randint(8, 40), 90, 0.6)
    return Workload("six-hour-tasks", tasks)


def silent_minutes(random: Random) -> Workload:
    """Bursts of about 80 tasks, with seven minutes without work after each burst's last task."""
    tasks: list[Task] = []
    due = []
    moment = 600.0
    while moment < 8 * HOUR:
        burst = _burst(random, moment, _about(random, 80), 60, 0.3)
        due.append(DueRun(moment, _about(random, 80)))
        tasks += burst
        moment = max(task.arrival + task.duration for task in burst) + 420
    return Workload("seven-silent-minutes", tasks, due)


def mix(random: Random) -> Workload:
    """A day: a midnight burst, fan-outs each hour, a trickle, and a few long tasks."""
    tasks = _poisson(random, 24 * HOUR, 300, 60)
    tasks += _burst(random, HOUR, 300, 120, 0.7)
    due = [DueRun(HOUR, _about(random, 300))]
    for hour in range(2, 24):
        usual = random.uniform(60, 200)
        tasks += _burst(random, hour * HOUR, _about(random, usual), 90, 0.6)
        due.append(DueRun(hour * HOUR, _about(random, usual)))
    tasks += [Task(random.uniform(0, 20 * HOUR), random.uniform(2, 6) * HOUR) for _ in range(5)]
    return Workload("mix", tasks, due)


WORKLOADS: dict[str, Callable[[Random], Workload]] = {
    "midnight-burst": midnight_burst,
    "hourly-fan-out": hourly_fan_out,
    "trickle": trickle,
    "six-hour-tasks": long_tasks,
    "seven-silent-minutes": silent_minutes,
    "mix": mix,
}
# Workloads with runs that Airflow can forecast.
SCHEDULED = ("midnight-burst", "hourly-fan-out", "seven-silent-minutes", "mix")


def workload(name: str, seed: int) -> Workload:
    if name not in WORKLOADS:
        raise InputError(f"Unknown workload {name!r}: choose from {', '.join(WORKLOADS)}")
    return WORKLOADS[name](Random(f"{name} {seed}"))


def read_trace(path: Path, queues: Sequence[str]) -> Workload:
    """A CSV of `arrival_s,duration_s,queue`; an error names its line."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
            columns = rows[0].keys() if rows else ()
    except OSError as error:
        raise InputError(f"The trace {path} cannot be read: {error.strerror}") from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise InputError(f"The trace {path} is not a CSV file in UTF-8: {error}") from error
    if not rows:
        raise InputError(f"The trace {path} contains no tasks")
    missing = [name for name in ("arrival_s", "duration_s", "queue") if name not in columns]
    if missing:
        raise InputError(f"The trace {path} has no column {', '.join(missing)}")
    tasks = [_trace_task(row, f"{path}, line {line}", queues) for line, row in enumerate(rows, 2)]
    return Workload(path.stem, tasks)


def _trace_task(row: dict[str, str], place: str, queues: Sequence[str]) -> Task:
    numbers = []
    for name in ("arrival_s", "duration_s"):
        try:
            number = float(row[name])
        except (TypeError, ValueError):
            raise InputError(f"{place}: {name} is not a number: {row[name]!r}") from None
        if not math.isfinite(number) or number < 0:
            raise InputError(f"{place}: {name} must be 0 or more, not {row[name]}")
        numbers.append(number)
    queue = (row["queue"] or "").strip()
    if queue not in queues:
        raise InputError(
            f"{place}: unknown queue {queue!r}: known are {', '.join(queues)} (--queue NAME)"
        )
    return Task(numbers[0], numbers[1], queue)
