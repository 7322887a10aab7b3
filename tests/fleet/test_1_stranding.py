"""No message is stranded, lost or run twice, however workers exit."""

from dataclasses import replace
from pathlib import Path

from plain_workers import WorkerSettings
from stranding_loop import Outcome, Plan, StrandingLoop

from commands.workspace import Workspace

PLAN = Plan(
    seed=20261120, messages=210, burst=6, pause=1.0, task_seconds=1.0, workers=3,
    settings=WorkerSettings(concurrency=2, idle_seconds=1.5, poll_seconds=3),
    stop_every=20, deploy_every=20, long_every=20,
)  # fmt: skip
MOST_ROUNDS = 4
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
    outcomes: list[Outcome] = []
    # On a slow machine fewer workers retire at the moment a message comes.
    while not _saw_enough(outcomes) and len(outcomes) < MOST_ROUNDS:
        plan = replace(PLAN, seed=PLAN.seed + len(outcomes))
        outcome = StrandingLoop(workspace, tmp_path, plan).run()
        print(outcome.table())
        assert (outcome.stranded, outcome.lost, outcome.twice) == (0, 0, 0)
        assert len(outcome.sent) == plan.messages
        assert set(outcome.exit_codes) == {0}
        outcomes.append(outcome)
    assert _saw_enough(outcomes)


def _saw_enough(outcomes: list[Outcome]) -> bool:
    """Whether the rounds together had enough of each way to exit."""
    return (
        sum(each.left() for each in outcomes) >= 20
        and sum(each.reopened for each in outcomes) >= 5
        and sum(each.left("drain") for each in outcomes) >= 2
        and sum(each.left("termination") for each in outcomes) >= 2
    )


def test_messages_are_stranded_when_workers_exit_without_the_life_cycle(
    workspace: Workspace, tmp_path: Path
) -> None:
    outcome = StrandingLoop(workspace, tmp_path, WITHOUT).run()
    print(outcome.table())

    assert outcome.stranded > 0
