"""The life cycle inside Celery: a consumer bootstep with a timer in the worker's own event loop.

It observes kombu's and Celery's internals (the versions are pinned) and does what `lifecycle`
decides. Everything except the drain watch runs in the worker's main thread, between two events, so
nothing here needs a lock.
"""

import logging
import os
import signal
import time
from typing import Any, Final

from celery import bootsteps
from celery.signals import worker_ready
from celery.worker import state as celery_state

from airflow_on_fargate import heartbeat
from airflow_on_fargate.contracts import worker_settings
from airflow_on_fargate.worker.drain_watch import DrainWatch
from airflow_on_fargate.worker.lifecycle import Action, LifeCycle, Observation
from airflow_on_fargate.worker.polls import Polls, polls_of

log = logging.getLogger(__name__)

STEP_SECONDS: Final = 0.5
HEARTBEAT_SECONDS: Final = 5.0


class Worker:
    """State that outlives a broker connection: life cycle, drain watch, the signal received."""

    def __init__(
        self,
        idle_timeout: float | None,
        first_task_timeout: float | None,
        drain_watch: DrainWatch | None,
        polls: Polls,
    ) -> None:
        self.lifecycle = LifeCycle(time.monotonic(), idle_timeout, first_task_timeout)
        self.drain_watch = drain_watch
        self.polls = polls
        self.terminated_at: float | None = None
        self.next_heartbeat = 0.0

    def on_sigterm(self, *_: Any) -> None:
        """Only record it: Celery's warm shutdown would lose the message of an open poll."""
        if self.terminated_at is None:
            self.terminated_at = time.monotonic()


_worker: Worker | None = None


def attach(app: Any) -> None:
    """Add the life cycle to the worker that `app` is about to start."""
    global _worker
    idle = float(os.environ.get(worker_settings.IDLE_TIMEOUT_SECONDS) or 0)
    first = float(os.environ.get(worker_settings.FIRST_TASK_SECONDS) or 0)
    drain_watch = DrainWatch.from_environment(os.environ)
    _worker = Worker(idle or None, first or None, drain_watch, polls_of(app.conf.broker_url))
    app.steps["consumer"].add(LifeCycleStep)
    worker_ready.connect(_on_ready, weak=False)


def _on_ready(**_: Any) -> None:
    assert _worker is not None
    # After Celery has set its own handler, which this replaces; worker_ready is sent in the main
    # thread.
    signal.signal(signal.SIGTERM, _worker.on_sigterm)
    if _worker.drain_watch:
        _worker.drain_watch.start()


class LifeCycleStep(bootsteps.StartStopStep):
    """Celery starts it with every broker connection, after the consumer of tasks."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def start(self, parent: Any) -> None:
        """A new connection starts with an open gate."""
        assert _worker is not None
        _worker.lifecycle.consumer_restarted(time.monotonic())

    def stop(self, parent: Any) -> None:
        """Nothing to do: the timer ends with the event loop."""

    def register_with_event_loop(self, parent: Any, hub: Any) -> None:
        """Called by Celery once the event loop exists."""
        hub.call_repeatedly(STEP_SECONDS, self._step, parent)

    def _step(self, consumer: Any) -> None:
        worker = _worker
        assert worker is not None
        try:
            now = time.monotonic()
            if now >= worker.next_heartbeat:
                worker.next_heartbeat = now + HEARTBEAT_SECONDS
                heartbeat.beat("worker")
            before = worker.lifecycle.state
            actions = worker.lifecycle.step(_observe(worker, consumer, now))
            if actions:
                reason = worker.lifecycle.reason
                log.info(
                    "Worker %s -> %s%s: %s",
                    before.value,
                    worker.lifecycle.state.value,
                    f" ({reason.name.lower()})" if reason else "",
                    "; ".join(action.value for action in actions),
                )
            for action in actions:
                _act(action, consumer, worker.polls)
        except Exception:
            # An error here must not end the worker: its tasks matter more than its exit.
            log.exception("A step of the worker's life cycle failed")


def _observe(worker: Worker, consumer: Any, now: float) -> Observation:
    return Observation(
        now=now,
        # A task that runs while the connection to the broker is lost is active only: Celery can no
        # longer acknowledge its message and forgets the reservation.
        tasks_held=len({*celery_state.reserved_requests, *celery_state.active_requests}),
        tasks_taken=celery_state.all_total_count[0],
        open_polls=worker.polls.open(consumer),
        drain_wanted=bool(worker.drain_watch and worker.drain_watch.drain_wanted),
        terminated_at=worker.terminated_at,
    )


def _act(action: Action, consumer: Any, polls: Polls) -> None:
    if action is Action.CLOSE_GATE:
        polls.stop(consumer)
    elif action is Action.OPEN_GATE:
        polls.resume(consumer)
    elif action is Action.CANCEL_CONSUMER:
        consumer.task_consumer.cancel()
    elif action is Action.TERMINATE_TASKS:
        _signal_tasks(signal.SIGTERM)
    elif action is Action.KILL_TASKS:
        _signal_tasks(signal.SIGKILL)
    elif action is Action.LEAVE:
        celery_state.should_stop = os.EX_OK


def _signal_tasks(signal_number: signal.Signals) -> None:
    """Signal the task runners, children of the pool's processes; the parents report the state."""
    import psutil

    for request in list(celery_state.active_requests):
        try:
            for runner in psutil.Process(request.worker_pid).children():
                runner.send_signal(signal_number)
                log.warning("Sent %s to task runner %s", signal_number.name, runner.pid)
        except psutil.Error as error:
            log.warning("A task runner could not be signalled: %s", error)
