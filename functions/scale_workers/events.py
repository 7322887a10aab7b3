"""Interpret the function's events."""

from collections.abc import Collection, Mapping
from typing import Any

from aws_lambda_powertools.utilities.data_classes import CloudWatchAlarmEvent, EventBridgeEvent

from contracts.names import WORKER
from contracts.wake_up import is_wake_up, published_tasks
from scale_workers.model import Trigger
from scale_workers.queue_fleet import UNHEALTHY
from shared.fargate import StoppedTask, is_stopped_task_event
from shared.tick import TICK_EVENT

_PAUSE, _QUEUE = "pause", "queue"


def trigger_of(event: Mapping[str, Any]) -> Trigger | None:
    """None for an unknown event."""
    if not event:
        return Trigger.REQUEST
    if _is_switch(event):
        return Trigger.REQUEST
    if is_wake_up(event):
        return Trigger.WAKE_UP
    if event == TICK_EVENT:
        return Trigger.TICK
    if CloudWatchAlarmEvent(dict(event)).get("source") == "aws.cloudwatch":
        return Trigger.ALARM
    if is_stopped_task_event(event):
        task = StoppedTask.from_event(EventBridgeEvent(dict(event)).detail, WORKER)
        # A worker that was stopped because it hung had worked before: workers can start.
        exited = task.succeeded or task.stopped_reason == UNHEALTHY
        return Trigger.WORKER_LEFT if exited else Trigger.WORKER_DIED
    return None


def _is_switch(event: Mapping[str, Any]) -> bool:
    return (
        event.keys() <= {_PAUSE, _QUEUE}
        and isinstance(event.get(_PAUSE), bool)
        and isinstance(event.get(_QUEUE, ""), str)
    )


def published_by(event: Mapping[str, Any], queues: Collection[str]) -> dict[str, int] | None:
    """How many messages a wake-up reports, by queue; None for every other event."""
    return published_tasks(event, queues) if is_wake_up(event) else None


def pause_wanted(event: Mapping[str, Any]) -> bool | None:
    """True to pause, False to resume, None for neither."""
    return event.get(_PAUSE)


def queue_of(event: Mapping[str, Any]) -> str | None:
    """The queue that a request is about; None for all."""
    return event.get(_QUEUE)
