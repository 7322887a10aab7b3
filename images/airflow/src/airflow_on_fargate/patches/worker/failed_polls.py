"""Keep a worker alive when a poll of SQS fails.

A poll that failed (reset, 5xx, time-out) yields an empty list, whose `.get()` raises AttributeError
in the event loop and ends the worker. No upstream report is known.
"""

from typing import Any

from airflow_on_fargate.patches import replace, require


def apply() -> None:
    """Treat a failed poll as one without messages."""
    require("kombu", "5.7.0")
    from kombu.transport.SQS import Channel

    replace(Channel, "_on_messages_ready", _accepting_failed_polls)


def _accepting_failed_polls(original: Any) -> Any:
    def on_messages_ready(self: Any, queue: str, qname: str, messages: Any) -> Any:
        return original(self, queue, qname, messages or {})

    return on_messages_ready
