"""How soon the scaler requests a worker when a message is sent and no worker runs."""

import time
from pathlib import Path

from plain_workers import WorkerSettings
from waiting import PATIENCE_SECONDS, slowness

from commands.steps import wait_until
from commands.workspace import Workspace
from tests.fleet.measures import percentile
from tests.fleet.small_fleet import SmallFleet

SAMPLES = 30
MOST_SKIPPED = 10
SECONDS_BETWEEN = 5


def test_message_causes_run_task_within_a_second(workspace: Workspace, tmp_path: Path) -> None:
    """A program that ends immediately replaces the worker, so that there is no worker again."""
    fleet = SmallFleet(workspace, tmp_path, WorkerSettings(concurrency=2, idle_seconds=30))
    fleet.deploy(WorkerTaskDefinitionArn=fleet.plain.register(entryPoint=["/bin/true"]))
    publisher = fleet.publish(*[(SECONDS_BETWEEN, 0)] * SAMPLES)
    samples = []
    for number in range(SAMPLES):
        wait_until(
            lambda n=number: n in fleet.plain.sent(), PATIENCE_SECONDS, "a message", interval=0.05
        )
        sent = fleet.plain.sent()[number]

        def launched(since: float = sent) -> float:
            times = [task["createdAt"].timestamp() for task in fleet.plain.tasks()]
            return min((time for time in times if time >= since), default=0.0)

        launch = wait_until(launched, PATIENCE_SECONDS, "a launch", interval=0.1)
        assert isinstance(launch, float)
        # On a busy machine the program before may still be listed, and then no worker is missing.
        if not _worker_was_there(fleet, sent):
            samples.append(launch - sent)
        # Remove the message that was not taken, and what the scaler remembers of it, before and
        # after the call at the end of that program.
        fleet.plain.client("sqs").purge_queue(QueueUrl=fleet.plain.queue_url)
        for _ in range(2):
            fleet.forget_announcements()
            time.sleep(SECONDS_BETWEEN / 3)
        fleet.forget_announcements()
    publisher.wait()
    assert len(samples) >= SAMPLES - MOST_SKIPPED
    p50, p95 = percentile(samples, 0.5), percentile(samples, 0.95)
    print(
        f"\nsent → RunTask, {len(samples)} samples: p50 {p50:.2f} s, p95 {p95:.2f} s, "
        f"longest {max(samples):.2f} s; in their order "
        + " ".join(f"{sample:.2f}" for sample in samples)
    )
    assert p95 <= 1.0 * slowness()


def _worker_was_there(fleet: SmallFleet, moment: float) -> bool:
    return any(
        task["createdAt"].timestamp() < moment
        and ("stoppedAt" not in task or task["stoppedAt"].timestamp() >= moment)
        for task in fleet.plain.tasks()
    )
