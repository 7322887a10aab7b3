"""A worker's requests for messages, with either broker: how many are open, and how they end.

kombu asks SQS with long polls over HTTP, several at once, and Valkey with one blocking command
(BRPOP) at a time, which returns within a second. Both may bring a message after the worker has
decided to exit, so it starts no more requests and waits for the open ones. What is used here are
internals of kombu (the version is pinned).
"""

from typing import Any, Protocol

from airflow_on_fargate.configuration import is_valkey


class Polls(Protocol):
    """The requests for messages of one kind of broker."""

    def open(self, consumer: Any) -> int:
        """The number of requests that the broker has not answered yet."""

    def stop(self, consumer: Any) -> None:
        """Start no more requests."""

    def resume(self, consumer: Any) -> None: ...


class SqsPolls:
    """Long polls of SQS."""

    def open(self, consumer: Any) -> int:
        client = getattr(consumer.hub, "_current_http_client", None)
        if client is None:
            return 0
        return len(client._curls) - len(client._free_list) + len(client._pending)

    def stop(self, consumer: Any) -> None:
        # The poll loop continues without polling. Cancelling and adding the queue again would
        # start a second loop beside the first.
        consumer.task_consumer.channel.qos.can_consume = lambda: False

    def resume(self, consumer: Any) -> None:
        vars(consumer.task_consumer.channel.qos).pop("can_consume", None)


class ValkeyPolls:
    """BRPOP, which pops a message in the server before the worker has received it."""

    def open(self, consumer: Any) -> int:
        return 1 if consumer.task_consumer.channel._in_poll else 0

    def stop(self, consumer: Any) -> None:
        # Not `can_consume`: without it kombu leaves the answer of the open BRPOP unread.
        consumer.task_consumer.channel._brpop_start = lambda timeout=None: None

    def resume(self, consumer: Any) -> None:
        vars(consumer.task_consumer.channel).pop("_brpop_start", None)


def polls_of(broker_url: str) -> Polls:
    return ValkeyPolls() if is_valkey(broker_url) else SqsPolls()
