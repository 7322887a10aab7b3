"""Repairs of kombu 5.7's SQS transport, until they are made upstream.

Each says what happens without it. They replace private methods: the versions are pinned in the lock
file, and a test fails when the methods are no longer there.
"""

from typing import Any, Final

# More than a long poll's 10 s (SQS allows 20), less than anybody's patience.
REQUEST_LIMIT_SECONDS: Final = 30
CONNECT_LIMIT_SECONDS: Final = 10


def apply() -> None:
    """Mend this process's kombu; a second call changes nothing."""
    from kombu.asynchronous.aws.connection import AsyncHTTPSConnection
    from kombu.transport.SQS import Channel

    if not getattr(Channel._on_messages_ready, "mended", False):
        _accept_failed_polls(Channel)
        _limit_requests(AsyncHTTPSConnection)


def _accept_failed_polls(channel: Any) -> None:
    """A poll that failed (reset, 5xx, time-out) yields [], whose .get() ends the worker."""
    original = channel._on_messages_ready

    def on_messages_ready(self: Any, queue: str, qname: str, messages: Any) -> Any:
        return original(self, queue, qname, messages or {})

    on_messages_ready.mended = True  # type: ignore[attr-defined]
    channel._on_messages_ready = on_messages_ready


def _limit_requests(connection: Any) -> None:
    """Curl gets no time limit: one stalled connection stops a worker from polling, for ever."""
    original = connection.getrequest

    def set_limits(curl: Any) -> None:
        import pycurl

        curl.setopt(pycurl.CONNECTTIMEOUT, CONNECT_LIMIT_SECONDS)
        curl.setopt(pycurl.TIMEOUT, REQUEST_LIMIT_SECONDS)
        # Or a time-out of the resolver would use SIGALRM.
        curl.setopt(pycurl.NOSIGNAL, 1)

    def getrequest(self: Any) -> Any:
        request = original(self)
        request.on_prepare = set_limits
        return request

    connection.getrequest = getrequest
