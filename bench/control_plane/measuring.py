"""What is measured of one dag-processor with a number of DAG files."""

import random
import time
from collections.abc import Callable
from pathlib import Path

from bench.container import Container
from bench.control_plane.deployment import Deployment, dag_file
from bench.control_plane.records import Limits, Record, note_load


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
        self._start()
        self._see_all()
        self._idle()
        for _ in range(self._limits.changes):
            time.sleep(self._chance.uniform(0, 10))
            self._record.changes.append(self._change())
        self._start_again()
        self._record.peak_mebibytes = round(self._container.peak_mebibytes)

    def _start(self) -> None:
        note_load(self._record.load)
        folder = self._deployment.folder
        self._container.start(
            self._deployment.command("dag-processor"),
            self._deployment.environment,
            folder,
            folder / "log",
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
        self._container.sleep(self._limits.settle_seconds)
        note_load(self._record.load)
        used = self._container.sleep(self._limits.idle_seconds)
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
        self._container.sleep(self._limits.settle_seconds)
        self._record.cpu_after_start = self._container.cpu_seconds() - before

    def _wait(self, condition: Callable[[], bool]) -> float | None:
        return self._container.wait(condition, self._limits.patience_seconds)


def log_of(folder: Path) -> str:
    """The end of a dag-processor's output."""
    return "\n".join((folder / "log").read_text(errors="replace").splitlines()[-40:])
