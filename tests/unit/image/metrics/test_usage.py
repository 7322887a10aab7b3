"""CPU and memory of a worker, from the answers of Fargate's metadata endpoint."""

from typing import Any

import pytest

from airflow_on_fargate.metrics import usage as usage_module
from airflow_on_fargate.metrics.usage import Usage

LIMITS = {"Limits": {"CPU": 2, "Memory": 4096}}


def stats(cpu_seconds: float, mib: float, cache_mib: float) -> dict[str, Any]:
    return {
        "cpu_stats": {"cpu_usage": {"total_usage": cpu_seconds * 1e9}},
        "memory_stats": {"usage": mib * 2**20, "stats": {"inactive_file": cache_mib * 2**20}},
    }


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    now = {"seconds": 1000.0}
    monkeypatch.setattr(usage_module.time, "monotonic", lambda: now["seconds"])
    return now


def test_cpu_and_memory_are_percents_of_the_task(
    clock: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = {"/task": LIMITS, "/task/stats": {"a": stats(10, 2048, 1024), "b": None}}
    usage = Usage("http://metadata")
    monkeypatch.setattr(usage, "_get", lambda path: answers[path])

    assert usage.measure() == {"worker.memory": 25}
    clock["seconds"] += 60
    # 90 of 120 CPU seconds.
    answers["/task/stats"] = {"a": stats(100, 2048, 0), "b": None}
    assert usage.measure() == {"worker.memory": 50, "worker.cpu": 75}


def test_nothing_is_measured_outside_of_ecs() -> None:
    assert Usage.from_environment({}) is None
