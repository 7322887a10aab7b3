"""The worker's states and transitions: pure, without clock, Celery or SQS.

The package's docstring draws them. `LifeCycle.step` is called twice a second with an
observation and returns the actions to take.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final

# A long poll lasts 10 s; one that has not returned after this time is lost.
POLL_LIMIT_SECONDS: Final = 45.0
# ECS kills the task 120 s after SIGTERM. Ending a task and reporting it as failed took 11 s.
TERMINATION_GRACE_SECONDS: Final = 95.0
# Between SIGTERM and SIGKILL to a task runner: time for an operator's on_kill.
KILL_AFTER_SECONDS: Final = 5.0


class State(Enum):
    """The state of the worker."""

    RUNNING = "running"
    CLOSING = "closing"
    LEAVING = "leaving"


class Reason(Enum):
    """Why it closes; a higher value takes precedence."""

    IDLE = 1
    DRAIN = 2
    TERMINATION = 3


class Action(Enum):
    """What the bootstep has to do."""

    CLOSE_GATE = "stop polling"
    OPEN_GATE = "poll again"
    CANCEL_CONSUMER = "return messages of the last poll"
    TERMINATE_TASKS = "SIGTERM to the task runners"
    KILL_TASKS = "SIGKILL to the task runners"
    LEAVE = "end the process with exit code 0"


@dataclass(frozen=True)
class Observation:
    """The worker at one moment. Times are seconds of one monotonic clock."""

    now: float
    # Messages received and not finished: running, or waiting for a pool process.
    tasks_held: int
    # All tasks ever received: a task that starts and ends between two looks shows only here.
    tasks_taken: int
    open_polls: int
    drain_wanted: bool = False
    terminated_at: float | None = None


class LifeCycle:
    """One worker's life cycle from running to leaving."""

    def __init__(
        self, now: float, idle_timeout: float | None, first_task_timeout: float | None = None
    ) -> None:
        """`first_task_timeout` replaces the idle timeout until the first task arrives: a worker
        that was started ahead of its work has to wait for it."""
        self.state = State.RUNNING
        self.reason: Reason | None = None
        self._idle_timeout = idle_timeout
        self._first_task_timeout = first_task_timeout
        self._idle_since = now
        self._tasks_taken = 0
        self._closed_at = now
        self._taken_at_close = 0
        self._kill_at: float | None = None

    def consumer_restarted(self, now: float) -> None:
        """There is a new broker connection: its gate is open, whatever was closed before."""
        if self.state is State.CLOSING:
            self.state, self.reason, self._idle_since = State.RUNNING, None, now

    def step(self, seen: Observation) -> list[Action]:
        """Advance to the next state and return the actions for it."""
        if self.state is State.LEAVING:
            return []
        if seen.tasks_held or seen.tasks_taken != self._tasks_taken:
            self._tasks_taken, self._idle_since = seen.tasks_taken, seen.now
        actions = self._close(seen)
        if self.state is State.CLOSING:
            actions += self._hurry(seen)
            actions += self._settle(seen)
        return actions

    def _close(self, seen: Observation) -> list[Action]:
        """Start closing, or close for a reason that takes precedence."""
        reason = self._reason_to_close(seen)
        if reason is None or (self.reason is not None and reason.value <= self.reason.value):
            return []
        actions = []
        if self.state is State.RUNNING:
            self.state = State.CLOSING
            self._closed_at, self._taken_at_close = seen.now, seen.tasks_taken
            actions.append(Action.CLOSE_GATE)
        if reason is not Reason.IDLE and self.reason in (None, Reason.IDLE):
            actions.append(Action.CANCEL_CONSUMER)
        self.reason = reason
        return actions

    def _reason_to_close(self, seen: Observation) -> Reason | None:
        if seen.terminated_at is not None:
            return Reason.TERMINATION
        if seen.drain_wanted:
            return Reason.DRAIN
        timeout = self._idle_timeout
        if timeout and self._first_task_timeout and seen.tasks_taken == 0:
            timeout = max(timeout, self._first_task_timeout)
        if timeout and seen.now - self._idle_since >= timeout:
            return Reason.IDLE
        return None

    def _hurry(self, seen: Observation) -> list[Action]:
        """End the tasks at the deadline, so that there is time to report their state."""
        if seen.terminated_at is None or not seen.tasks_held:
            return []
        if self._kill_at is None:
            if seen.now - seen.terminated_at < TERMINATION_GRACE_SECONDS:
                return []
            self._kill_at = seen.now + KILL_AFTER_SECONDS
            return [Action.TERMINATE_TASKS]
        if seen.now < self._kill_at:
            return []
        self._kill_at = seen.now + KILL_AFTER_SECONDS
        return [Action.KILL_TASKS]

    def _settle(self, seen: Observation) -> list[Action]:
        """When no poll is open: exit, continue, or wait for running tasks."""
        if seen.open_polls and seen.now - self._closed_at < POLL_LIMIT_SECONDS:
            return []
        message_arrived = seen.tasks_held or seen.tasks_taken != self._taken_at_close
        if self.reason is Reason.IDLE and message_arrived:
            self.state, self.reason, self._idle_since = State.RUNNING, None, seen.now
            return [Action.OPEN_GATE]
        if seen.tasks_held:
            return []
        self.state = State.LEAVING
        return [Action.LEAVE]
