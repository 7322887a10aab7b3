"""From no worker to work to no worker, and how soon."""

import time
from typing import Any

from commands.steps import wait_until
from tests.fleet.stack import Stack, now, percentile, seconds_of

SAMPLES = 24
MOST_SECONDS_TO_ZERO = 300


def test_a_worker_comes_and_leaves_when_a_task_is_queued_and_nobody_is_there(stack: Stack) -> None:
    stack.wait_for_no_worker(240)
    begun = now()
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


def test_a_worker_is_asked_for_within_a_second_when_a_task_is_queued(stack: Stack) -> None:
    """What starts is no worker but `airflow version`: it ends at once, and none exists again."""
    stack.wait_for_no_worker(240)
    before = stack.state_object("fleet/drain.json")["current"]
    stack.make_current(stack.revision_with(command=["version"]))
    runs = []
    try:
        samples = [_sample(stack, runs) for _ in range(SAMPLES)]
    finally:
        stack.make_current(before)
        for run_id in runs:
            stack.give_up(run_id)
    p50, p95 = percentile(samples, 0.5), percentile(samples, 0.95)
    print(
        f"\nqueued → RunTask, {len(samples)} samples: p50 {p50:.2f} s, p95 {p95:.2f} s, "
        f"longest {max(samples):.2f} s"
    )
    assert p95 <= 1.0


def _sample(stack: Stack, runs: list[str]) -> float:
    """Seconds from the moment that the database has for "queued" to RunTask."""
    stack.wait_for_no_worker(60)
    stack.forget_state()  # or the scaler would wait for the message that is about to be purged
    begun = now()
    run_id = stack.start(0)
    runs.append(run_id)

    def launched() -> dict[str, Any] | None:
        found = stack.launched_since(begun)
        return found[0] if found else None

    worker = wait_until(launched, 60, "a launch", interval=0.1)
    assert isinstance(worker, dict)
    stack.client("sqs").purge_queue(QueueUrl=stack.settings["QUEUE_URL"])
    stack.forget_state()
    queued = stack.task(run_id)["queued_when"]
    # Longer than the wake-up's own pause between two calls, which is no part of this.
    time.sleep(2)
    return float(worker["createdAt"].timestamp() - seconds_of(queued))
