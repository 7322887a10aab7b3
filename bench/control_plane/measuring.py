"""What is measured of one dag-processor with a number of DAG files."""

import os
import random
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from bench.control_plane.container import Container
from bench.control_plane.deployment import Deployment, dag_file

_LOOK_SECONDS = 0.2


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

    def as_document(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def change_median(self) -> float | None:
        return median(found) if (found := [each for each in self.changes if each]) else None


def measure(deployment: Deployment, files: int, limits: Limits) -> Record:
    """Start with all files in the bucket, wait, change files, start again."""
    container = Container(deployment.system, limits.cpu_units, limits.mebibytes)
    record = Record(deployment.system, files, limits.cpu_units, container.is_limited)
    try:
        _Measurement(deployment, container, files, limits, record).run()
    finally:
        container.remove()
    return record


class _Measurement:
    def __init__(
        self,
        deployment: Deployment,
        container: Container,
        files: int,
        limits: Limits,
        record: Record,
    ) -> None:
        self._deployment = deployment
        self._container = container
        self._files = files
        self._limits = limits
        self._record = record
        self._chance = random.Random(files)
        self._tags = 0

    def run(self) -> None:
        self._deployment.put(dict(dag_file(number, "first") for number in range(self._files)))
        self._start()
        self._see_all()
        self._idle()
        for _ in range(self._limits.changes):
            time.sleep(self._chance.uniform(0, 10))
            self._record.changes.append(self._change())
        self._start_again()
        self._record.peak_mebibytes = round(self._container.peak_mebibytes)

    def _start(self) -> None:
        self._note_load()
        folder = self._deployment.folder
        self._container.start(
            self._deployment.command, self._deployment.environment, folder, folder / "log"
        )

    def _see_all(self) -> None:
        record = self._record
        record.first_visible = self._wait(lambda: self._deployment.visible() > 0)
        before, seen = self._container.cpu_seconds(), self._deployment.visible()
        rest = self._wait(lambda: self._deployment.visible() == self._files)
        record.visible = self._deployment.visible()
        if record.first_visible is not None and rest is not None:
            record.all_visible = record.first_visible + rest
        if record.visible > seen:
            used = self._container.cpu_seconds() - before
            record.cpu_per_parse = used / (record.visible - seen)

    def _idle(self) -> None:
        self._sleep(self._limits.settle_seconds)
        self._note_load()
        before = self._container.cpu_seconds()
        self._sleep(self._limits.idle_seconds)
        used = self._container.cpu_seconds() - before
        self._record.idle_cpu = used / self._limits.idle_seconds / (self._limits.cpu_units / 1024)

    def _change(self) -> float | None:
        """Seconds from the upload of one file until its DAG has changed."""
        self._tags += 1
        tag = f"change{self._tags}"
        path, text = dag_file(self._chance.randrange(self._files), tag)
        started = time.monotonic()
        self._deployment.put({path: text})
        put = time.monotonic() - started
        seen = self._wait(lambda: self._deployment.visible(tag) == 1)
        return None if seen is None else put + seen

    def _start_again(self) -> None:
        self._container.stop()
        before = self._container.cpu_seconds()
        self._start()
        self._record.change_after_start = self._change()
        self._sleep(self._limits.settle_seconds)
        self._record.cpu_after_start = self._container.cpu_seconds() - before

    def _wait(self, condition: Callable[[], bool]) -> float | None:
        started = time.monotonic()
        while not condition():
            if not self._container.is_running():
                raise RuntimeError(f"The dag-processor ended; see {self._deployment.folder}/log")
            if time.monotonic() - started > self._limits.patience_seconds:
                return None
            self._container.look_at_memory()
            time.sleep(_LOOK_SECONDS)
        return time.monotonic() - started

    def _sleep(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self._container.look_at_memory()
            time.sleep(min(1.0, max(0.0, until - time.monotonic())))

    def _note_load(self) -> None:
        self._record.load.append(round(os.getloadavg()[0], 1))


def log_of(folder: Path) -> str:
    """The end of a dag-processor's output."""
    return "\n".join((folder / "log").read_text(errors="replace").splitlines()[-40:])
