"""Which event means what."""

from collections.abc import Mapping
from typing import Any

from aws_lambda_powertools.utilities.data_classes import CloudWatchAlarmEvent, EventBridgeEvent

from scale_workers.decision import Trigger
from shared.eventbridge_tick import TICK_EVENT
from shared.fargate import StoppedTask, is_stopped_task_event

# What the hook in the scheduler sends when it has published a task.
WAKE_UP_EVENT = {"source": "scheduler"}


def trigger_of(event: Mapping[str, Any]) -> Trigger | None:
    """None for an event that this function does not know."""
    if not event:
        return Trigger.REQUEST
    if event == WAKE_UP_EVENT:
        return Trigger.WAKE_UP
    if event == TICK_EVENT:
        return Trigger.TICK
    if CloudWatchAlarmEvent(dict(event)).get("source") == "aws.cloudwatch":
        return Trigger.ALARM
    if is_stopped_task_event(event):
        task = StoppedTask.from_event(EventBridgeEvent(dict(event)).detail)
        return Trigger.WORKER_LEFT if task.succeeded else Trigger.WORKER_DIED
    return None
