"""The stranding loop: messages at random moments against workers that retire and drain.

A message that an exiting worker takes with it stays invisible for the visibility timeout, twelve
hours as in the template: at the end it counts as in flight although no worker is left.
"""

import random
import re
import subprocess
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plain_workers import Arrivals, PlainWorkers, WorkerSettings

from commands.workspace import Workspace

# The worker logs each step of its life cycle: "Worker running -> closing (idle): ...".
STEP = re.compile(r"Worker (\w+) -> (\w+)(?: \((\w+)\))?")
LOOK_SECONDS = 0.25
# Time before the first disturbance, so that it finds running workers; time until the loop must have
# ended.
FIRST_SECONDS, LIMIT_SECONDS = 15.0, 420.0
# A worker looks every 15 s whether its revision is current, and many exit before their second look:
# one that runs a long task does not.
LONG_TASK_SECONDS = 18.0


@dataclass(frozen=True)
class Plan:
    """The events of one loop; the seed determines all random choices."""

    seed: int
    messages: int
    # Maximum number of messages that are sent together.
    burst: int
    # Mean pause between two bursts in seconds, for pauses that are not aimed at retiring workers.
    pause: float
    task_seconds: float
    workers: int
    settings: WorkerSettings
    # Seconds between two StopTask calls on workers, and between two changes of the current
    # revision.
    stop_every: float = 0.0
    deploy_every: float = 0.0
    # Every n-th task is long, 0: none.
    long_every: int = 0

    def arrivals(self) -> Arrivals:
        chance, settings = random.Random(self.seed), self.settings
        plan: Arrivals = []
        while len(plan) < self.messages:
            pauses = (
                chance.expovariate(1 / self.pause),
                # Pauses that end while a retiring worker waits for its last poll...
                settings.idle_seconds + chance.uniform(0, settings.poll_seconds),
                # ...and after that.
                settings.idle_seconds + settings.poll_seconds + chance.uniform(0, 4),
            )
            # Without the life cycle no worker retires.
            pause = chance.choice(pauses) if settings.life_cycle else pauses[0]
            for _ in range(chance.randint(1, self.burst)):
                seconds = chance.uniform(0, self.task_seconds)
                if self.long_every and len(plan) % self.long_every == 0:
                    seconds = LONG_TASK_SECONDS
                plan.append((pause, seconds))
                pause = chance.uniform(0, 0.2)
        return plan[: self.messages]


@dataclass(frozen=True)
class Outcome:
    """The counts when every worker has exited."""

    sent: dict[int, float]
    runs: list[tuple[int, float]]
    visible: int
    in_flight: int
    exit_codes: list[int | None]
    steps: Counter[str]

    @property
    def stranded(self) -> int:
        return self.visible + self.in_flight

    @property
    def lost(self) -> int:
        """Messages that neither ran nor are in the queue."""
        return len(self.sent) - len({number for number, _ in self.runs}) - self.stranded

    @property
    def twice(self) -> int:
        return len(self.runs) - len({number for number, _ in self.runs})

    def left(self, reason: str = "") -> int:
        """How many workers exited on their own: idle, drain, termination, or any."""
        ends = [step for step in self.steps if " leaving " in step and step.endswith(reason)]
        return sum(self.steps[step] for step in ends)

    @property
    def reopened(self) -> int:
        return self.steps["closing running"]

    def table(self) -> str:
        waits = sorted(begun - self.sent[number] for number, begun in self.runs)
        rows = {
            "messages": len(self.sent),
            "stranded": self.stranded,
            "lost": self.lost,
            "run twice": self.twice,
            "workers started": len(self.exit_codes),
            "left by themselves": self.left(),
            "of them idle": self.left("idle"),
            "of them draining": self.left("drain"),
            "of them after SIGTERM": self.left("termination"),
            "reopened": self.reopened,
            "longest wait (s)": round(waits[-1], 1) if waits else "-",
        }
        return "\n" + "\n".join(f"{name:<24}{value}" for name, value in rows.items())


class StrandingLoop:
    """One loop on a running embedded AWS."""

    def __init__(self, workspace: Workspace, folder: Path, plan: Plan) -> None:
        self._plan = plan
        self._fleet = PlainWorkers(workspace, folder, plan.settings)
        self._stopped: set[str] = set()
        self._chance = random.Random(plan.seed + 1)

    def run(self) -> Outcome:
        # Two revisions that differ only in their number.
        self._definitions = [self._fleet.register(), self._fleet.register()]
        self._fleet.make_current(self._definitions[0])
        publisher = self._fleet.publish(self._plan.arrivals())
        try:
            self._keep_workers(publisher)
        finally:
            publisher.kill()
            publisher.wait()
        assert len(self._fleet.sent()) == self._plan.messages, "the publisher failed"
        visible, in_flight = self._fleet.depth()
        tasks = self._fleet.tasks()
        text = "\n".join(self._fleet.log(task["taskArn"]) for task in tasks)
        steps = Counter(" ".join(filter(None, found)) for found in STEP.findall(text))
        codes = [self._exit_code(task) for task in tasks]
        return Outcome(self._fleet.sent(), self._fleet.runs(), visible, in_flight, codes, steps)

    def _keep_workers(self, publisher: "subprocess.Popen[str]") -> None:
        """Replace exited workers while there is or may be work, disturb, and end when all have
        exited."""
        plan, begun = self._plan, time.monotonic()
        stop_at = deploy_at = begun + FIRST_SECONDS
        while True:
            now, active = time.monotonic(), self._fleet.active()
            working = publisher.poll() is None or self._fleet.depth()[0] > 0
            if not working and not active:
                return
            assert now - begun < LIMIT_SECONDS, f"no end: {active}, {self._fleet.depth()}"
            if working and len(active) < plan.workers:
                self._fleet.start(self._definitions[0])
            if working and plan.stop_every and now >= stop_at:
                stop_at = now + self._chance.expovariate(1 / plan.stop_every)
                self._stop(self._chance.choice(active) if active else None)
            if working and plan.deploy_every and now >= deploy_at:
                deploy_at = now + plan.deploy_every
                self._definitions.reverse()
                self._fleet.make_current(self._definitions[0])
            if not working and not plan.settings.life_cycle:
                for task in active:
                    self._stop(task)
            time.sleep(LOOK_SECONDS)

    def _stop(self, task: dict[str, Any] | None) -> None:
        if task and task["lastStatus"] == "RUNNING" and task["taskArn"] not in self._stopped:
            self._stopped.add(task["taskArn"])
            self._fleet.stop(task["taskArn"])

    def _exit_code(self, task: dict[str, Any]) -> int | None:
        """SIGTERM before a worker is ready ends it with 143, which is harmless."""
        code: int | None = task["containers"][0].get("exitCode")
        return 0 if task["taskArn"] in self._stopped and code == 143 else code
