"""One worker from its start to its end, with the CPU and memory of a container."""

import os
import sys
import time
from dataclasses import asdict, dataclass
from typing import Any, Final

from bench.container import Container
from bench.worker.deployment import Deployment, wait
from bench.worker.execution_api import ExecutionApi

_PATIENCE: Final = 180.0
# After the start, and after the tasks, until nothing changes any more.
_SETTLE_SECONDS: Final = 4.0
_COMMAND: Final = (sys.executable, "-m", "airflow_on_fargate.entrypoint", "celery", "worker")


@dataclass(frozen=True)
class Record:
    """Times in seconds from the start of the container, CPU in seconds, memory in MiB."""

    slots: int
    limited: bool
    first_message: float
    first_task_runs: float
    first_task_ended: float
    cpu_until_first_message: float
    # All slots get a task at once: from the first message until the last one runs.
    all_run: float
    cpu_per_task: float
    idle_memory: float
    busy_memory: float
    used_memory: float
    load: float

    def as_document(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def busy_slot(self) -> float:
        """What a running task adds."""
        return (self.busy_memory - self.idle_memory) / self.slots


def measure(deployment: Deployment, api: ExecutionApi, slots: int, cpu: int, memory: int) -> Record:
    container = Container("worker", cpu, memory)
    load = os.getloadavg()[0]
    log = deployment.folder / "worker.log"
    deployment.release_file.unlink(missing_ok=True)
    first = deployment.send("short")
    try:
        began = time.monotonic()
        container.start(_COMMAND, deployment.environment, deployment.folder, log)

        def waited(condition: Any, what: str) -> float:
            return wait(lambda: condition() or _ended(container), _PATIENCE, what)

        taken = waited(lambda: deployment.taken() > 0, "the first message")
        cpu_until_taken = container.cpu_seconds()
        waited(lambda: first in api.ended, "the end of the first task")
        time.sleep(_SETTLE_SECONDS)
        idle, before = _memory(container), container.cpu_seconds()
        sent = time.monotonic()
        tasks = [deployment.send("hold") for _ in range(slots)]
        all_run = waited(lambda: all(task in api.running for task in tasks), "all tasks")
        time.sleep(_SETTLE_SECONDS)
        busy = _memory(container)
        deployment.release_file.touch()
        waited(lambda: all(task in api.ended for task in tasks), "the end of all tasks")
        time.sleep(_SETTLE_SECONDS)
        used = container.cpu_seconds() - before
        return Record(
            slots=slots,
            limited=container.is_limited,
            first_message=taken - began,
            first_task_runs=api.running[first] - began,
            first_task_ended=api.ended[first] - began,
            cpu_until_first_message=cpu_until_taken,
            all_run=all_run - sent,
            cpu_per_task=used / slots,
            idle_memory=idle,
            busy_memory=busy,
            used_memory=_memory(container),
            load=round(load, 1),
        )
    except Exception:
        print(log.read_text(errors="replace")[-6000:], file=sys.stderr)
        raise
    finally:
        container.remove()


def _ended(container: Container) -> bool:
    if not container.is_running():
        raise RuntimeError("The worker ended")
    return False


def _memory(container: Container) -> float:
    """What all its processes have, pages that they share once."""
    container.peak_mebibytes = 0.0
    container.look_at_memory()
    return container.peak_mebibytes
