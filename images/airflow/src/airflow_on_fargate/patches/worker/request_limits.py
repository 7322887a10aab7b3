"""Keep one stalled connection from stopping a worker's polls.

kombu's HTTP client for SQS sets no time limit: a connection that stalls is waited for without end,
and the worker takes no more tasks. Proposed as
https://github.com/celery/kombu/pull/2488.
"""

from typing import Any, Final

from airflow_on_fargate.patches import replace, require

# More than a long poll's 10 s (SQS allows 20).
REQUEST_LIMIT_SECONDS: Final = 30
CONNECT_LIMIT_SECONDS: Final = 10


def apply() -> None:
    """Give each request a time limit."""
    require("kombu", "5.7.0")
    from kombu.asynchronous.aws.connection import AsyncHTTPSConnection

    replace(AsyncHTTPSConnection, "getrequest", _with_limits)


def _with_limits(original: Any) -> Any:
    def getrequest(self: Any) -> Any:
        request = original(self)
        request.on_prepare = _set_limits
        return request

    return getrequest


def _set_limits(curl: Any) -> None:
    import pycurl

    curl.setopt(pycurl.CONNECTTIMEOUT, CONNECT_LIMIT_SECONDS)
    curl.setopt(pycurl.TIMEOUT, REQUEST_LIMIT_SECONDS)
    # Otherwise a time-out of the resolver would use SIGALRM.
    curl.setopt(pycurl.NOSIGNAL, 1)
