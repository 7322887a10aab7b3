"""The fleet's template with real workers: its behaviour with faults and without."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from plain_workers import WorkerSettings
from waiting import PATIENCE_SECONDS, slowness

from commands.steps import wait_until
from commands.workspace import Workspace
from tests.fleet.small_fleet import NOTHING_WRONG, SmallFleet, scaler_files

SHIPPED = WorkerSettings(concurrency=2, idle_seconds=20)
# Exits as soon as a fleet allows, for tests that are not about idling.
BRISK = WorkerSettings(concurrency=2, idle_seconds=20, poll_seconds=2)
Facts = dict[str, Any]


def from_zero_to_zero(workspace: Workspace, folder: Path) -> Facts:
    fleet = SmallFleet(workspace, folder, SHIPPED)
    fleet.publish((0, 1)).wait()
    fleet.wait_for_runs(1, 180)
    ended = time.time() + 1
    fleet.wait_for_no_worker(300)
    workers = fleet.plain.tasks()
    return {
        "looks": [line["trigger"] for line in fleet.scaler_log() if "trigger" in line],
        "workers": len(workers),
        "exit codes": {worker["containers"][0]["exitCode"] for worker in workers},
        "seconds to zero": max(worker["stoppedAt"].timestamp() for worker in workers) - ended,
        **fleet.counts(),
    }


def killed(moment: str) -> Callable[[Workspace, Path], Facts]:
    def scenario(workspace: Workspace, folder: Path) -> Facts:
        fleet = SmallFleet(workspace, folder, BRISK, WorkerMaxCount="4")
        fleet.kill_scaler(moment)
        # Five tasks need three workers.
        fleet.publish(*[(0, 2.0)] * 5).wait()
        fleet.wait_for_runs(5, 300)
        # The interrupted launch is checked again and no longer open.
        wait_until(
            lambda: all(launch["arns"] for launch in fleet.state().get("launches", [])),
            PATIENCE_SECONDS, "the end of the launch", interval=1,
        )  # fmt: skip
        fleet.wait_for_no_worker(120)
        return {
            "killed": fleet.was_killed,
            "workers": len(fleet.plain.tasks()),
            **fleet.counts(),
        }

    return scenario


def crash_loop(workspace: Workspace, folder: Path) -> Facts:
    fleet = SmallFleet(workspace, folder, BRISK, WorkerMaxCount="2")
    fleet.deploy(WorkerTaskDefinitionArn=fleet.plain.register(command=["no-such-command"]))
    begun = time.time()
    # The function is called every five seconds.
    fleet.publish(*[(5, 0.5)] * 24).wait()
    launched = len(fleet.plain.tasks())
    facts = {
        "minutes": round((time.time() - begun) / 60, 1),
        "launched": launched,
        "paused": fleet.metric("WorkerLaunchesPaused"),
        "died": fleet.metric("WorkersDied"),
    }
    good = fleet.plain.register()
    fleet.deploy(WorkerTaskDefinitionArn=good)
    repaired = time.time()
    fleet.wait_for_runs(24, 240)
    tasks = [task for task in fleet.plain.tasks() if task["taskDefinitionArn"] == good]
    first = tasks[0]["createdAt"].timestamp()
    fleet.wait_for_no_worker(120)
    return {**facts, "seconds to the next launch": first - repaired, **fleet.counts()}


def minimum(workspace: Workspace, folder: Path) -> Facts:
    fleet = SmallFleet(workspace, folder, BRISK, {"default": {"minCount": 1}}, WorkerMaxCount="3")
    # A burst starts more workers than the minimum; they exit, and one standing worker starts.
    fleet.publish(*[(0, 3.0)] * 6).wait()
    fleet.wait_for_runs(6, 240)
    wait_until(
        lambda: [_stands(task) for task in fleet.plain.active()] == [True],
        PATIENCE_SECONDS, "the burst's workers to exit, and one to stay", interval=1,
    )  # fmt: skip
    launched = len(fleet.plain.tasks())
    # More than ten times the idle timeout, with ticks in between.
    time.sleep(10 * BRISK.idle_seconds + 5)
    facts = {
        "workers of the burst": launched,
        "launched while idle": len(fleet.plain.tasks()) - launched,
        "workers while idle": len(fleet.plain.active()),
        **fleet.counts(),
    }
    fleet.deploy({"default": {"minCount": 0}})
    return facts


def _stands(task: dict[str, Any]) -> bool:
    """Whether a worker was started with an idle timeout of hours."""
    overrides = task["overrides"].get("containerOverrides", [])
    return any(
        each["name"] == "WORKER_IDLE_TIMEOUT_SECONDS" and int(each["value"]) > 3600
        for container in overrides
        for each in container.get("environment", [])
    )


def deployment(workspace: Workspace, folder: Path) -> Facts:
    fleet = SmallFleet(workspace, folder, BRISK)
    fleet.publish((0, 90)).wait()
    fleet.wait_for_runs(1, 180)
    (old,) = fleet.plain.active()
    fleet.deploy(WorkerTaskDefinitionArn=(new := fleet.plain.register()))
    # Until it has read the orders, it may still take messages.
    wait_until(
        lambda: "(drain)" in fleet.plain.log(old["taskArn"]),
        PATIENCE_SECONDS,
        "the old worker to drain",
    )
    fleet.publish((0, 1)).wait()
    sent = fleet.plain.sent()[1]
    fleet.wait_for_runs(2, 120)
    second = dict(fleet.plain.runs())[1]
    fleet.wait_for_no_worker(120)
    tasks = {task["taskArn"]: task for task in fleet.plain.tasks()}
    others = [task for arn, task in tasks.items() if arn != old["taskArn"]]
    return {
        "seconds until RunTask": others[0]["createdAt"].timestamp() - sent,
        "old exit code": tasks[old["taskArn"]]["containers"][0]["exitCode"],
        "new revisions": [task["taskDefinitionArn"] == new for task in others],
        "seconds until the new task ran": second - sent,
        **fleet.counts(),
    }


SCENARIOS: dict[str, Callable[[Workspace, Path], Facts]] = {
    "crash loop": crash_loop,
    "killed before RunTask": killed("before RunTask"),
    "killed after RunTask": killed("after RunTask"),
    "minimum": minimum,
    "from zero to zero": from_zero_to_zero,
    "deployment": deployment,
}


@pytest.fixture(scope="module")
def facts(
    workspace: Workspace, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], Facts]]:
    """The results of both scenarios, which run concurrently because each mostly waits."""
    scaler_files()
    folder = tmp_path_factory.mktemp("scenarios")
    with ThreadPoolExecutor(2) as pool:
        running: dict[str, Future[Facts]] = {
            name: pool.submit(scenario, workspace, folder) for name, scenario in SCENARIOS.items()
        }

        def found(name: str) -> Facts:
            result = running[name].result()
            print(f"\n{name}: {result}")
            return result

        yield found


def assert_nothing_wrong(found: Facts) -> None:
    assert {name: found[name] for name in NOTHING_WRONG} == NOTHING_WRONG


Found = Callable[[str], Facts]


def test_one_message_starts_one_worker_that_exits_afterwards(facts: Found) -> None:
    found = facts("from zero to zero")
    assert_nothing_wrong(found)
    assert found["workers"] == 1
    assert found["exit codes"] == {0}
    assert found["seconds to zero"] <= 300


@pytest.mark.parametrize("moment", ["before RunTask", "after RunTask"])
def test_no_worker_is_missing_or_duplicated_when_the_scaler_is_killed(
    facts: Found, moment: str
) -> None:
    found = facts(f"killed {moment}")
    assert found["killed"]
    assert found["workers"] == 3
    assert_nothing_wrong(found)


def test_launches_back_off_when_an_image_crashes_and_resume_when_it_is_fixed(facts: Found) -> None:
    found = facts("crash loop")
    # Without backing off there would be a launch for each of the 24 calls, and more.
    assert found["launched"] <= 10
    assert found["died"] >= 3
    assert found["paused"] > 0
    # The pause would last four minutes. Workers that ECS still lists while they crash are replaced
    # at the next check, a minute later.
    assert found["seconds to the next launch"] < 120
    assert_nothing_wrong(found)


def test_idle_minimum_stays_and_is_not_replaced(facts: Found) -> None:
    found = facts("minimum")
    assert found["workers while idle"] == 1
    assert found["launched while idle"] == 0
    assert_nothing_wrong(found)


def test_old_worker_finishes_and_a_new_one_serves_when_a_revision_is_deployed(
    facts: Found,
) -> None:
    found = facts("deployment")
    assert found["old exit code"] == 0
    # One worker serves. The announcement of the first message, if no check has seen its worker yet,
    # starts another, which exits idle.
    assert found["new revisions"] in ([True], [True, True])
    assert found["seconds until RunTask"] < 5 * slowness()
    assert_nothing_wrong(found)
