"""What is measured of each component. Unlike the rest of the bench, this needs no Airflow."""

import os
from dataclasses import dataclass, field
from statistics import median

TASKS_IN_A_RUN = 2


@dataclass(slots=True)
class Limits:
    """Of the container, and of what is waited for."""

    cpu_units: int
    mebibytes: int
    patience_seconds: float
    idle_seconds: float
    settle_seconds: float
    changes: int


@dataclass(slots=True)
class Record:
    """Times in seconds; None for what did not happen within the patience."""

    system: str
    files: int
    cpu_units: int
    limited: bool
    visible: int = 0
    first_visible: float | None = None
    all_visible: float | None = None
    cpu_per_parse: float | None = None
    idle_cpu: float | None = None
    changes: list[float | None] = field(default_factory=list)
    change_after_start: float | None = None
    cpu_after_start: float | None = None
    peak_mebibytes: float = 0.0
    load: list[float] = field(default_factory=list)

    @property
    def change_median(self) -> float | None:
        return median(found) if (found := [each for each in self.changes if each]) else None


@dataclass(slots=True)
class SchedulerRecord:
    """Of runs with two tasks. Times in seconds since the first run was created."""

    system: str
    files: int
    cpu_units: int
    limited: bool
    first_run: float | None = None
    all_created: float | None = None
    all_succeeded: float | None = None
    succeeded: int = 0
    cpu_per_task: float | None = None
    idle_cpu: float | None = None
    peak_mebibytes: float = 0.0
    load: list[float] = field(default_factory=list)

    @property
    def runs_per_second(self) -> float | None:
        return self.files / self.all_succeeded if self.all_succeeded else None

    @property
    def tasks_per_second(self) -> float | None:
        return TASKS_IN_A_RUN * rate if (rate := self.runs_per_second) else None


@dataclass(slots=True)
class ServerRecord:
    """Latencies in seconds."""

    system: str
    files: int
    cpu_units: int
    limited: bool
    ready: float | None = None
    cpu_of_load: float | None = None
    page_p95: float | None = None
    heartbeat_p95: float | None = None
    failed: int = 0
    heartbeats_per_second: float | None = None
    cpu_per_heartbeat: float | None = None
    pages_per_second: float | None = None
    cpu_per_page: float | None = None
    peak_mebibytes: float = 0.0
    load: list[float] = field(default_factory=list)


def note_load(load: list[float]) -> None:
    """Add the load of the machine."""
    load.append(round(os.getloadavg()[0], 1))
