"""Which event means what."""

from collections.abc import Mapping
from typing import Any

from aws_lambda_powertools.utilities.data_classes import CloudWatchAlarmEvent, EventBridgeEvent

from scale_workers.decision import Trigger
from shared.eventbridge_tick import TICK_EVENT
from shared.fargate import StoppedTask, is_stopped_task_event

# The hook in the scheduler, when it has published tasks; it says how many.
_SCHEDULER = "scheduler"
_PAUSE = "pause"


def trigger_of(event: Mapping[str, Any]) -> Trigger | None:
    """None for an event that this function does not know."""
    if not event:
        return Trigger.REQUEST
    if event.keys() == {_PAUSE} and isinstance(event[_PAUSE], bool):
        return Trigger.REQUEST
    if event.get("source") == _SCHEDULER and event.keys() <= {"source", "published"}:
        return Trigger.WAKE_UP
    if event == TICK_EVENT:
        return Trigger.TICK
    if CloudWatchAlarmEvent(dict(event)).get("source") == "aws.cloudwatch":
        return Trigger.ALARM
    if is_stopped_task_event(event):
        task = StoppedTask.from_event(EventBridgeEvent(dict(event)).detail)
        return Trigger.WORKER_LEFT if task.succeeded else Trigger.WORKER_DIED
    return None


def published_by(event: Mapping[str, Any]) -> int:
    """How many messages a wake-up announces; 0 when it does not say."""
    published = event.get("published", 0)
    return published if isinstance(published, int) and published > 0 else 0


def pause_wanted(event: Mapping[str, Any]) -> bool | None:
    """True and False throw the switch; None leaves it alone."""
    return event.get(_PAUSE)
