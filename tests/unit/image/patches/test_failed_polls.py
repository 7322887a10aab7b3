"""A failed poll of SQS ends kombu's loop without the patch, and counts as empty with it."""

from typing import Any

import pytest
from kombu.transport.SQS import Channel

from airflow_on_fargate import patches


@pytest.mark.parametrize("failed", [[], None])
def test_failed_poll_counts_as_empty(monkeypatch: pytest.MonkeyPatch, failed: Any) -> None:
    monkeypatch.setattr(Channel, "_on_messages_ready", Channel._on_messages_ready)
    with pytest.raises(AttributeError):
        Channel._on_messages_ready(object(), "url", "default", failed)
    patches.apply("worker.failed_polls")
    assert Channel._on_messages_ready(object(), "url", "default", failed) == 0
