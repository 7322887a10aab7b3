"""No message is stranded, lost or run twice, however workers exit."""

from dataclasses import replace
from pathlib import Path

from plain_workers import WorkerSettings
from stranding_loop import Plan, StrandingLoop

from commands.workspace import Workspace

PLAN = Plan(
    seed=20261120, messages=210, burst=6, pause=1.0, task_seconds=1.0, workers=3,
    settings=WorkerSettings(concurrency=2, idle_seconds=1.5, poll_seconds=3),
    stop_every=20, deploy_every=20, long_every=20,
)  # fmt: skip
# Celery's own shutdown, to show that the loop detects stranded messages. There is one worker, its
# tasks are short and its polls long: it has an open poll when it is stopped, and a message that
# arrives before it has exited is stranded.
WITHOUT = replace(
    PLAN, messages=60, burst=1, pause=3.0, task_seconds=0.2, workers=1,
    stop_every=10, deploy_every=0, long_every=0,
    settings=replace(PLAN.settings, poll_seconds=10, life_cycle=False),
)  # fmt: skip


def test_every_message_runs_once_when_workers_retire_and_drain(
    workspace: Workspace, tmp_path: Path
) -> None:
    outcome = StrandingLoop(workspace, tmp_path, PLAN).run()
    print(outcome.table())

    assert (outcome.stranded, outcome.lost, outcome.twice) == (0, 0, 0)
    assert len(outcome.sent) == PLAN.messages
    assert set(outcome.exit_codes) == {0}
    assert outcome.left() >= 20
    assert outcome.reopened >= 5
    assert outcome.left("drain") >= 2
    assert outcome.left("termination") >= 2


def test_messages_are_stranded_when_workers_exit_without_the_life_cycle(
    workspace: Workspace, tmp_path: Path
) -> None:
    outcome = StrandingLoop(workspace, tmp_path, WITHOUT).run()
    print(outcome.table())

    assert outcome.stranded > 0
