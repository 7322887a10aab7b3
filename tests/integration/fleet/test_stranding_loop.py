"""The stranding loop, short: it reaches into kombu's insides, so a new kombu has to pass it."""

from pathlib import Path

from plain_workers import WorkerSettings
from stranding_loop import Plan, StrandingLoop

from commands.workspace import Workspace

PLAN = Plan(
    seed=20261120, messages=36, burst=6, pause=0.5, task_seconds=0.5, workers=2,
    settings=WorkerSettings(concurrency=2, idle_seconds=1, poll_seconds=1),
)  # fmt: skip


def test_every_message_runs_once_when_workers_retire(workspace: Workspace, tmp_path: Path) -> None:
    outcome = StrandingLoop(workspace, tmp_path, PLAN).run()
    print(outcome.table())

    assert (outcome.stranded, outcome.lost, outcome.twice) == (0, 0, 0)
    assert set(outcome.exit_codes) == {0}
    assert outcome.left("idle") >= 2
