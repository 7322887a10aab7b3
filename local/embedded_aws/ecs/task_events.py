"""`ECS Task State Change` events on EventBridge; ministack 1.5.33 sends none."""

import json
import queue
import threading
from typing import Any

from ministack.services import eventbridge

from embedded_aws.account_scope import account_scope
from embedded_aws.ecs import engine as ecs
from embedded_aws.settings import Settings

_events: queue.Queue[dict[str, Any]] = queue.Queue()


def announce(task: ecs.Task) -> None:
    """Queue an event with the task as it is now. Events are sent in this order."""
    detail = ecs.stock._sanitize(task)
    _events.put(
        {
            "Source": "aws.ecs",
            "DetailType": "ECS Task State Change",
            "Detail": json.dumps({**detail, "updatedAt": ecs.stock._iso()}),
            "Resources": [task["taskArn"]],
        }
    )


def install(settings: Settings) -> None:
    _announce_after("_mark_task_running")
    _announce_after("_mark_task_stopped")
    mark_pending = ecs.stock._mark_task_pending

    def mark_pending_and_announce(task_arn: str, task: ecs.Task) -> bool:
        announce(task)  # still PROVISIONING: RunTask itself offers no hook
        changed: bool = mark_pending(task_arn, task)
        if changed:
            announce(task)
        return changed

    ecs.stock._mark_task_pending = mark_pending_and_announce
    threading.Thread(
        target=_send, args=(settings,), name="embedded-aws-events", daemon=True
    ).start()


def _announce_after(name: str) -> None:
    mark = getattr(ecs.stock, name)

    def mark_and_announce(task_arn: str, task: ecs.Task, *arguments: Any, **keywords: Any) -> bool:
        changed: bool = mark(task_arn, task, *arguments, **keywords)
        if changed:
            announce(task)
        return changed

    setattr(ecs.stock, name, mark_and_announce)


def _send(settings: Settings) -> None:
    while True:
        event = _events.get()
        with account_scope(settings):
            eventbridge._put_events({"Entries": [event]}, allow_aws_source=True)
