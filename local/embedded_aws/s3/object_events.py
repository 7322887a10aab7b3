"""S3's events on EventBridge hold the version of the object, as AWS documents.

ministack 1.5.33 sends the version id to queues, topics and functions, but not to EventBridge.
"""

import contextvars
import json
from typing import Any

from ministack.services import eventbridge, s3

from embedded_aws.settings import Settings

_version_id: contextvars.ContextVar[str] = contextvars.ContextVar("version_id", default="")


def install(settings: Settings) -> None:
    fire = s3._fire_s3_event
    dispatch = eventbridge._dispatch_event

    def fire_with_version(*args: Any, version_id: str | None = None, **kwargs: Any) -> None:
        token = _version_id.set(version_id or "")
        try:
            fire(*args, version_id=version_id, **kwargs)
        finally:
            _version_id.reset(token)

    def dispatch_with_version(event: dict[str, Any], view: Any = None) -> None:
        if event.get("Source") == "aws.s3" and _version_id.get():
            detail = json.loads(event["Detail"])
            detail["object"]["version-id"] = _version_id.get()
            event = {**event, "Detail": json.dumps(detail)}
        dispatch(event, view)

    s3._fire_s3_event = fire_with_version
    eventbridge._dispatch_event = dispatch_with_version
