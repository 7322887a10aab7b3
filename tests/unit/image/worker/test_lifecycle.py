"""The worker's life cycle with a clock that the test sets."""

import pytest

from airflow_on_fargate.worker.lifecycle import (
    KILL_AFTER_SECONDS,
    POLL_LIMIT_SECONDS,
    TERMINATION_GRACE_SECONDS,
    Action,
    LifeCycle,
    Observation,
    Reason,
    State,
)

IDLE = 120.0


class Worker:
    """A life cycle and its observations."""

    def __init__(
        self, idle_timeout: float | None = IDLE, first_task_timeout: float | None = None
    ) -> None:
        self.now = 1000.0
        self.held = 0
        self.taken = 0
        self.open_polls = 1
        self.drain = False
        self.terminated_at: float | None = None
        self.life = LifeCycle(self.now, idle_timeout, first_task_timeout)

    def after(self, seconds: float) -> list[Action]:
        self.now += seconds
        return self.life.step(
            Observation(
                now=self.now,
                tasks_held=self.held,
                tasks_taken=self.taken,
                open_polls=self.open_polls,
                drain_wanted=self.drain,
                terminated_at=self.terminated_at,
            )
        )

    def take(self, tasks: int = 1) -> None:
        self.held += tasks
        self.taken += tasks

    def sigterm(self) -> None:
        self.terminated_at = self.now


def test_keeps_running_when_not_idle_long_enough() -> None:
    worker = Worker()
    assert worker.after(IDLE - 1) == []
    assert worker.life.state is State.RUNNING


def test_waits_longer_for_its_first_task_when_started_ahead() -> None:
    worker = Worker(first_task_timeout=3 * IDLE)
    assert worker.after(3 * IDLE - 1) == []
    worker.take()
    worker.after(1)
    worker.held = 0
    worker.after(1)
    # From then on it behaves like any other worker.
    assert worker.after(IDLE) == [Action.CLOSE_GATE]


def test_closes_when_the_first_task_is_too_late() -> None:
    worker = Worker(first_task_timeout=3 * IDLE)
    assert worker.after(3 * IDLE) == [Action.CLOSE_GATE]


def test_closes_the_gate_and_waits_when_idle_with_an_open_poll() -> None:
    worker = Worker()
    assert worker.after(IDLE) == [Action.CLOSE_GATE]
    assert worker.after(9) == []
    assert worker.life.state is State.CLOSING


def test_exits_when_the_last_poll_returns_no_message() -> None:
    worker = Worker()
    worker.after(IDLE)
    worker.open_polls = 0
    assert worker.after(10) == [Action.LEAVE]
    assert worker.life.state is State.LEAVING
    assert worker.after(1) == []


def test_reopens_when_the_last_poll_returns_a_message() -> None:
    worker = Worker()
    worker.after(IDLE)
    worker.open_polls = 0
    worker.take()
    assert worker.after(1) == [Action.OPEN_GATE]
    assert worker.life.state is State.RUNNING
    worker.held = 0
    assert worker.after(IDLE - 1) == []


def test_reopens_when_a_task_ran_between_two_looks() -> None:
    worker = Worker()
    worker.after(IDLE)
    worker.open_polls, worker.taken = 0, 1
    assert worker.after(1) == [Action.OPEN_GATE]


def test_counts_idle_time_from_the_last_task_even_when_it_was_too_short_to_observe() -> None:
    worker = Worker()
    worker.after(IDLE - 1)
    worker.taken = 1
    assert worker.after(0.5) == []
    assert worker.after(IDLE - 1) == []
    assert worker.after(1) == [Action.CLOSE_GATE]


def test_is_never_idle_while_a_task_runs() -> None:
    worker = Worker()
    worker.take()
    for _ in range(100):
        assert worker.after(IDLE) == []


@pytest.mark.parametrize("idle_timeout", [None, 0.0])
def test_never_retires_without_an_idle_timeout(idle_timeout: float | None) -> None:
    worker = Worker(idle_timeout)
    assert worker.after(1_000_000) == []


def test_finishes_running_tasks_when_draining() -> None:
    worker = Worker()
    worker.take(2)
    worker.drain = True
    assert worker.after(1) == [Action.CLOSE_GATE, Action.CANCEL_CONSUMER]
    worker.open_polls = 0
    for _ in range(6 * 60):
        assert worker.after(60) == []
    worker.held = 0
    assert worker.after(1) == [Action.LEAVE]


def test_does_not_reopen_for_a_message_when_draining() -> None:
    worker = Worker()
    worker.drain = True
    worker.after(1)
    worker.open_polls = 0
    worker.take()
    assert worker.after(1) == []
    assert worker.life.state is State.CLOSING


def test_cancels_the_consumer_when_a_drain_follows_idleness() -> None:
    worker = Worker()
    worker.after(IDLE)
    worker.drain = True
    assert worker.after(1) == [Action.CANCEL_CONSUMER]
    assert worker.life.reason is Reason.DRAIN


def test_stops_waiting_for_a_poll_that_does_not_return() -> None:
    worker = Worker()
    worker.after(IDLE)
    assert worker.after(POLL_LIMIT_SECONDS - 1) == []
    assert worker.after(1) == [Action.LEAVE]


def test_ends_tasks_at_the_deadline_when_terminated() -> None:
    worker = Worker()
    worker.take()
    worker.sigterm()
    assert worker.after(0.5) == [Action.CLOSE_GATE, Action.CANCEL_CONSUMER]
    worker.open_polls = 0
    assert worker.after(TERMINATION_GRACE_SECONDS - 1) == []
    assert worker.after(1) == [Action.TERMINATE_TASKS]
    assert worker.after(KILL_AFTER_SECONDS - 1) == []
    assert worker.after(1) == [Action.KILL_TASKS]
    worker.held = 0
    assert worker.after(1) == [Action.LEAVE]


def test_ends_tasks_before_the_deadline_of_ecs_when_a_poll_hangs_too() -> None:
    worker = Worker()
    worker.take()
    worker.sigterm()
    worker.after(0.5)
    assert Action.TERMINATE_TASKS in worker.after(TERMINATION_GRACE_SECONDS)


def test_does_not_cancel_twice_when_terminated_while_draining() -> None:
    worker = Worker()
    worker.take()
    worker.drain = True
    worker.after(1)
    worker.sigterm()
    assert worker.after(1) == []
    assert worker.life.reason is Reason.TERMINATION


def test_exits_immediately_when_terminated_between_two_polls() -> None:
    worker = Worker()
    worker.open_polls = 0
    worker.sigterm()
    assert worker.after(0.5) == [Action.CLOSE_GATE, Action.CANCEL_CONSUMER, Action.LEAVE]


def test_closes_again_when_the_broker_reconnects_while_draining() -> None:
    worker = Worker()
    worker.take()
    worker.drain = True
    worker.after(1)
    worker.life.consumer_restarted(worker.now)
    assert worker.after(0.5) == [Action.CLOSE_GATE, Action.CANCEL_CONSUMER]
