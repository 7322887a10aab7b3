"""The whole stack: from zero workers to work and back, how soon, and what happens to Airflow tasks.

The tests share one stack, in their order.
"""

import json
import time
from typing import Any

from waiting import PATIENCE_SECONDS, slowness

from commands.steps import wait_until
from tests.fleet.measures import percentile, seconds_of
from tests.fleet.stack import Stack

SAMPLES = 24
MOST_SECONDS_TO_ZERO = 300


def test_queued_task_starts_a_worker_that_exits_afterwards(stack: Stack) -> None:
    stack.wait_for_no_worker(240)
    begun = time.time()
    run_id = stack.start(1)
    task = stack.wait_for(run_id, {"success", "failed"}, 120)
    assert (task["state"], task["try_number"]) == ("success", 1)

    stack.wait_for_no_worker(MOST_SECONDS_TO_ZERO)
    workers = stack.launched_since(begun)
    last_end = max(worker["stoppedAt"].timestamp() for worker in workers)
    to_zero = last_end - seconds_of(task["end_date"])
    print(f"\nseconds from the task's end to zero workers: {to_zero:.0f}, launched {len(workers)}")

    assert to_zero <= MOST_SECONDS_TO_ZERO
    assert {worker["containers"][0]["exitCode"] for worker in workers} == {0}
    assert len(workers) == 1
    assert stack.depth() == (0, 0)
    assert len(stack.tries(run_id)) == 1


def test_queued_task_causes_run_task_within_a_second(stack: Stack) -> None:
    """A program that ends immediately replaces the worker, so that there is no worker again."""
    stack.wait_for_no_worker(240)
    before = stack.orders()["current"]
    stack.make_current(stack.revision_with(entryPoint=["/bin/true"]))
    runs: list[str] = []
    try:
        samples = [_sample(stack, runs) for _ in range(SAMPLES)]
    finally:
        stack.make_current(before)
        for run_id in runs:
            stack.give_up(run_id)
    p50, p95 = percentile(samples, 0.5), percentile(samples, 0.95)
    print(
        f"\nqueued → RunTask, {len(samples)} samples: p50 {p50:.2f} s, p95 {p95:.2f} s, "
        f"longest {max(samples):.2f} s; in their order "
        + " ".join(f"{sample:.2f}" for sample in samples)
    )
    assert p95 <= 1.0 * slowness()


def _sample(stack: Stack, runs: list[str]) -> float:
    """Seconds from the time that the database records as "queued" to RunTask."""
    stack.wait_for_no_worker(60)
    stack.forget_announcements()
    begun = time.time()
    run_id = stack.start(0)
    runs.append(run_id)

    def launched() -> dict[str, Any] | None:
        found = stack.launched_since(begun)
        return found[0] if found else None

    worker = wait_until(launched, PATIENCE_SECONDS, "a launch", interval=0.1)
    assert isinstance(worker, dict)
    stack.client("sqs").purge_queue(QueueUrl=stack.settings["QUEUE_URL"])
    queued = stack.task(run_id)["queued_when"]
    # Longer than the wake-up's own pause between two calls, which is not measured here, and than
    # the calls after the end of that program.
    time.sleep(3)
    return float(worker["createdAt"].timestamp() - seconds_of(queued))


def test_old_worker_finishes_its_task_when_a_revision_is_deployed(stack: Stack) -> None:
    stack.wait_for_no_worker(240)
    long_run = stack.start(300)
    stack.wait_for(long_run, {"running"}, 120)
    (old,) = stack.workers()

    # An option of Airflow: every component is replaced, the API server of the running task too.
    stack.deploy(AirflowConfiguration=json.dumps({"core": {"parallelism": 100}}))
    wait_until(
        lambda: "(drain)" in stack.worker_log(old), PATIENCE_SECONDS, "the old worker to drain"
    )
    begun = time.time()
    short_run = stack.start(1)
    short = stack.wait_for(short_run, {"success", "failed"}, 90)
    assert stack.task(long_run)["state"] == "running"
    long = stack.wait_for(long_run, {"success", "failed"}, 330)

    (first_try,), (short_try,) = stack.tries(long_run), stack.tries(short_run)
    new = {w["taskArn"].rsplit("/", 1)[-1]: w for w in stack.launched_since(begun)}
    print(f"\nseconds until the new revision ran a task: {short_try['at'] - begun:.0f}")
    assert (long["state"], long["try_number"]) == ("success", 1)
    assert (short["state"], short["try_number"]) == ("success", 1)
    assert old["taskArn"].endswith(first_try["worker"])
    assert new[short_try["worker"]]["taskDefinitionArn"] != old["taskDefinitionArn"]
    stack.wait_for_no_worker(120)
    (ended,) = [w for w in stack.all_workers() if w["taskArn"] == old["taskArn"]]
    assert ended["containers"][0]["exitCode"] == 0
    assert stack.depth() == (0, 0)


def test_task_is_retried_soon_when_its_worker_is_interrupted(stack: Stack) -> None:
    stack.wait_for_no_worker(240)
    # Two slots: one task can end within the 95 seconds, the other cannot.
    short_run, long_run = stack.start(60), stack.start(600, 1)
    stack.wait_for(short_run, {"running"}, 120)
    stack.wait_for(long_run, {"running"}, 60)
    workers = {stack.first_try(run_id)["worker"] for run_id in (short_run, long_run)}
    assert len(workers) == 1
    (worker,) = stack.workers()

    interrupted = time.time()
    stack.stop(worker)
    stack.wait_for(long_run, {"up_for_retry", "scheduled", "queued", "running", "success"}, 5)
    wait_until(
        lambda: stack.task(long_run)["state"] != "running",
        PATIENCE_SECONDS,
        "the retry",
        interval=0.5,
    )
    reported = time.time() - interrupted
    long = stack.wait_for(long_run, {"success", "failed"}, 120)
    short = stack.wait_for(short_run, {"success", "failed"}, 5)

    print(f"\nseconds from SIGTERM to the task's new state: {reported:.0f}")
    assert reported < 115
    assert (long["state"], long["try_number"]) == ("success", 2)
    assert (short["state"], short["try_number"]) == ("success", 1)
    first, second = stack.tries(long_run)
    assert second["worker"] != first["worker"]
    (ended,) = [w for w in stack.all_workers() if w["taskArn"] == worker["taskArn"]]
    assert ended["containers"][0]["exitCode"] == 0
    stack.wait_for_no_worker(120)
    assert stack.depth() == (0, 0)
