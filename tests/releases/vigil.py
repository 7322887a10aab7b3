"""Watches the dag-processor while others work: a thread that looks every second."""

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Any

import psutil
import requests

from commands import emulator
from tests.e2e.conftest import Deployed

CONTAINER = "dag-processor"
LONGEST_PAUSE_SECONDS = 60.0


@dataclass
class Seen:
    """What was seen since the start. One of each is what a dag-processor leaves that survives."""

    tasks: set[str] = field(default_factory=set)
    containers: set[str] = field(default_factory=set)
    processes: set[tuple[int, float]] = field(default_factory=set)
    health: list[str] = field(default_factory=list)
    airflow: list[str] = field(default_factory=list)
    heartbeats: set[str] = field(default_factory=set)
    failures: list[str] = field(default_factory=list)


class Vigil(threading.Thread):
    """A context: it starts to look when it is entered, and ends at the exit."""

    def __init__(self, deployed: Deployed) -> None:
        super().__init__()
        self._workspace = deployed.workspace
        self._cluster = deployed.outputs["ClusterName"]
        self._url = f"{deployed.outputs['AirflowUrl']}/api/v2/monitor/health"
        self._done = threading.Event()
        self.seen = Seen()

    def __enter__(self) -> Seen:
        self.start()
        return self.seen

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self.join()

    def run(self) -> None:
        """Look until the exit."""
        while not self._done.wait(1):
            try:
                self._look_at_ecs()
                self._look_at_processes()
                self._look_at_airflow()
            except requests.RequestException:
                # The API may be too busy to answer; its health is not the subject.
                continue
            except Exception as error:
                self.seen.failures.append(repr(error))

    def _look_at_ecs(self) -> None:
        ecs = self._workspace.client("ecs")
        arns = ecs.list_tasks(cluster=self._cluster)["taskArns"]
        for task in ecs.describe_tasks(cluster=self._cluster, tasks=arns)["tasks"]:
            for container in task["containers"]:
                if container["name"] == CONTAINER:
                    self.seen.tasks.add(task["taskArn"])
                    self.seen.containers.add(container["containerArn"])
                    self.seen.health.append(container["healthStatus"])

    def _look_at_airflow(self) -> None:
        found: dict[str, Any] = requests.get(self._url, timeout=30).json()["dag_processor"]
        self.seen.airflow.append(found["status"])
        self.seen.heartbeats.add(found["latest_dag_processor_heartbeat"])

    def _look_at_processes(self) -> None:
        for process in emulator.processes(self._workspace):
            try:
                words = process.cmdline()
                parent = process.parent()
                # Not the processes that it forks to parse a file.
                if _is_dag_processor(words) and not (
                    parent and _is_dag_processor(parent.cmdline())
                ):
                    self.seen.processes.add((process.pid, process.create_time()))
            except psutil.Error:
                continue


def _is_dag_processor(words: list[str]) -> bool:
    return CONTAINER in words[-1:] and "airflow_on_fargate.component" in words


def longest_pause(heartbeats: Iterable[str]) -> float:
    """Seconds between two heartbeats that follow each other."""
    moments = sorted(map(datetime.fromisoformat, heartbeats))
    return max((b - a).total_seconds() for a, b in pairwise(moments))
