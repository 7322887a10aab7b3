"""Requests for messages: what counts as open, and that none is started after a stop."""

from types import SimpleNamespace
from typing import Any

import pytest
from kombu.transport import SQS, redis

from airflow_on_fargate.worker.polls import SqsPolls, ValkeyPolls, polls_of


def consumer(channel: Any, hub: Any = None) -> Any:
    return SimpleNamespace(task_consumer=SimpleNamespace(channel=channel), hub=hub)


@pytest.mark.parametrize(
    ("url", "kind"),
    [("sqs://", SqsPolls), ("rediss://:token@host:6379/0", ValkeyPolls), ("redis://", ValkeyPolls)],
)
def test_polls_are_those_of_the_broker(url: str, kind: type) -> None:
    assert type(polls_of(url)) is kind


def test_brpop_is_open_until_its_answer_is_read() -> None:
    channel = redis.Channel.__new__(redis.Channel)
    polls = ValkeyPolls()
    assert polls.open(consumer(channel)) == 0
    channel._in_poll = object()
    assert polls.open(consumer(channel)) == 1
    # What kombu sets after it has read the answer.
    channel._in_poll = None
    assert polls.open(consumer(channel)) == 0


def test_no_brpop_starts_after_a_stop_and_one_does_when_resumed() -> None:
    class Channel:
        def __init__(self) -> None:
            self.started = 0

        def _brpop_start(self, timeout: Any = None) -> None:
            self.started += 1

    channel, polls = Channel(), ValkeyPolls()
    polls.stop(consumer(channel))
    channel._brpop_start()
    assert channel.started == 0
    polls.resume(consumer(channel))
    polls.resume(consumer(channel))
    channel._brpop_start()
    assert channel.started == 1


def test_gate_of_sqs_is_can_consume() -> None:
    quality = SQS.Channel.QoS(SimpleNamespace(do_restore=False), 4)
    channel = SimpleNamespace(qos=quality)
    polls = SqsPolls()
    polls.stop(consumer(channel))
    assert not quality.can_consume()
    polls.resume(consumer(channel))
    assert quality.can_consume()
