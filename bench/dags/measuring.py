"""The steps of every system, measured in seconds and requests."""

import hashlib
import os
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from botocore.httpsession import URLLib3Session

from bench.dags.systems import SOURCE, System

ROUNDS = 10

# Repetitions of a step that takes at most seconds; the median and each round are reported.
REPEATED = 3


@dataclass
class Record:
    system: str
    files: int
    step: str
    seconds: float
    requests: int
    rounds: list[float]
    # CPU time of this process, and the load of the machine: the rest of the seconds is waiting.
    cpu_seconds: float
    load: float

    def as_document(self) -> dict[str, Any]:
        return asdict(self)


class Requests:
    """Counts all requests of this process, whichever client sends them."""

    def __init__(self) -> None:
        self.count = 0

    @contextmanager
    def counted(self) -> Iterator[None]:
        send = URLLib3Session.send

        def counting(session: URLLib3Session, request: Any) -> Any:
            self.count += 1
            return send(session, request)

        URLLib3Session.send = counting  # type: ignore[method-assign]
        try:
            yield
        finally:
            URLLib3Session.send = send  # type: ignore[method-assign]


def content(number: int, version: int) -> bytes:
    """A file of constant size, two kilobytes; gzip reduces it to a quarter, like real code."""
    lines = [f"# DAG {number:06} version {version:06}"]
    for line in range(26):
        name = hashlib.sha256(f"{number} {line}".encode()).hexdigest()
        lines.append(f'task_{name[:8]} = BashOperator(task_id="t{line:02}", command="{name[:24]}")')
    return "\n".join(lines).encode()


def key(number: int) -> str:
    return f"{SOURCE}team_{number % 50}/file_{number}.py"


def upload(s3: Any, bucket: str, files: int) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(
            pool.map(
                lambda n: s3.put_object(Bucket=bucket, Key=key(n), Body=content(n, 0)), range(files)
            )
        )


def measure(system: System, s3: Any, bucket: str, files: int) -> list[Record]:
    """First, unchanged, one changed, task start, rollback; uploads are not counted."""
    records: list[Record] = []

    def timed(*steps: tuple[str, Callable[[], object]], rounds: int = REPEATED) -> None:
        load = round(os.getloadavg()[0], 1)
        seconds: dict[str, list[float]] = {step: [] for step, _ in steps}
        cpu: dict[str, list[float]] = {step: [] for step in seconds}
        most = dict.fromkeys(seconds, 0)
        for _ in range(rounds):
            for step, action in steps:
                requests = Requests()
                begun, computed = time.perf_counter(), time.process_time()
                with requests.counted():
                    action()
                seconds[step].append(round(time.perf_counter() - begun, 4))
                cpu[step].append(round(time.process_time() - computed, 4))
                most[step] = max(most[step], requests.count)
        for step, each in seconds.items():
            if step:
                records.append(
                    Record(
                        system.name,
                        files,
                        step,
                        statistics.median(each),
                        most[step],
                        each,
                        statistics.median(cpu[step]),
                        load,
                    )
                )

    versions = iter(range(1, 2 * REPEATED))

    def change() -> None:
        # S3 and the provider's bundle compare whole seconds.
        time.sleep(1.1)
        s3.put_object(Bucket=bucket, Key=key(0), Body=content(0, next(versions)) + b"# longer\n")

    def roll_back() -> None:
        system.roll_back(key(0), content(0, 0))
        system.refresh()

    published = system.name == "releases"
    if published:
        timed(("publish-first", system.publish), rounds=1)
    # It takes minutes for the others, whose ratio to ours is far more than a few percent.
    timed(("", system.forget), ("first", system.refresh), rounds=REPEATED if published else 1)
    timed(("unchanged", system.refresh))
    publish = [("publish-one-changed", system.publish)] if published else []
    timed(("", change), *publish, ("one-changed", system.refresh))
    timed(("task-start", system.start_task))
    time.sleep(1.1)
    timed(("rollback", roll_back), rounds=1)
    return records


def count_errors(system: System, s3: Any, bucket: str, files: int) -> dict[str, Any]:
    """Two files change together, and a refresh falls between the two uploads."""
    stale = mixed = 0
    for version in range(2, ROUNDS + 2):
        s3.put_object(Bucket=bucket, Key=key(1), Body=content(1, version))
        # Releases wait for a quiet period, so nothing is published between two uploads this close.
        system.refresh()
        first, second = _versions(system, version)
        mixed += first != second
        s3.put_object(Bucket=bucket, Key=key(2), Body=content(2, version))
        system.publish()
        system.refresh()
        stale += _versions(system, version) != (True, True)
    return {
        "system": system.name, "files": files, "step": "errors", "rounds": ROUNDS,
        "stale": stale, "mixed": mixed,
    }  # fmt: skip


def _versions(system: System, version: int) -> tuple[bool, bool]:
    """Whether each of the two files has this version in the folder that the system serves."""
    first, second = (
        (system.folder / key(n).removeprefix(SOURCE)).read_bytes() == content(n, version)
        for n in (1, 2)
    )
    return first, second
