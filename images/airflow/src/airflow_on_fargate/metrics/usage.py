"""CPU and memory of this task, from the metadata endpoint of Fargate.

Workers are not tasks of a service, and ECS has metrics of services only (without Container
Insights, which costs more than the whole list of series for some workers).
"""

import json
import time
import urllib.request
from collections.abc import Mapping
from typing import Any

_TIMEOUT_SECONDS = 3
_NANOSECONDS = 1e9


class Usage:
    """Percent of what the task has; CPU since the measurement before."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self._before: tuple[float, float] | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Usage | None":
        """None outside of ECS."""
        endpoint = environment.get("ECS_CONTAINER_METADATA_URI_V4")
        return cls(endpoint) if endpoint else None

    def measure(self) -> Mapping[str, float]:
        limits = self._get("/task")["Limits"]
        stats = [each for each in self._get("/task/stats").values() if each]
        found = {}
        memory = sum(_memory(each) for each in stats)
        if memory:
            found["worker.memory"] = 100 * memory / (float(limits["Memory"]) * 2**20)
        now = time.monotonic()
        cpu = sum(_cpu_seconds(each) for each in stats)
        if self._before and now > self._before[0]:
            busy = (cpu - self._before[1]) / (now - self._before[0])
            found["worker.cpu"] = max(0.0, 100 * busy / float(limits["CPU"]))
        self._before = now, cpu
        return found

    def _get(self, path: str) -> dict[str, Any]:
        address = self._endpoint + path
        with urllib.request.urlopen(address, timeout=_TIMEOUT_SECONDS) as answer:  # noqa: S310
            found: dict[str, Any] = json.load(answer)
        return found


def _memory(stats: Mapping[str, Any]) -> float:
    """Without the page cache, which is given back on demand."""
    memory = stats.get("memory_stats") or {}
    details = memory.get("stats") or {}
    cache = details.get("inactive_file", details.get("total_inactive_file", 0))
    return max(0.0, float(memory.get("usage") or 0) - float(cache or 0))


def _cpu_seconds(stats: Mapping[str, Any]) -> float:
    usage = (stats.get("cpu_stats") or {}).get("cpu_usage") or {}
    return float(usage.get("total_usage") or 0) / _NANOSECONDS
