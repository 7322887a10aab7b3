"""PUT an answer to CloudFormation's presigned URL."""

import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Callable

from shared.errors import AwsCallError

_TIMEOUT_SECONDS = 10
# The waits between the attempts: about a minute in all, including the attempts.
_WAITS_SECONDS = (1, 2, 4, 8)


class AnswerNotDeliveredError(AwsCallError):
    """CloudFormation's bucket did not accept the answer."""


class HttpsAnswerChannel:
    """The presigned URL accepts the same answer any number of times, so repeating is safe."""

    def __init__(self, sleep: Callable[[float], None] = time.sleep) -> None:
        self._sleep = sleep

    def put(self, url: str, body: bytes) -> None:
        problem = _attempt(url, body)
        for wait in _WAITS_SECONDS:
            if problem is None:
                return
            self._sleep(wait)
            problem = _attempt(url, body)
        if problem is not None:
            raise AnswerNotDeliveredError(
                f"CloudFormation did not accept the answer in {len(_WAITS_SECONDS) + 1} attempts; "
                f"the last one: {problem}"
            )


def _attempt(url: str, body: bytes) -> str | None:
    """None when the answer was accepted, otherwise what went wrong, without the URL.

    Errors of urllib may contain the URL, so only their type, or an HTTP status, is reported.
    """
    try:
        # The URL was signed without a content type; urllib would set one of its own.
        request = urllib.request.Request(  # noqa: S310 - CloudFormation's own URL
            url, data=body, method="PUT", headers={"Content-Type": ""}
        )
        with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS):  # noqa: S310
            return None
    except urllib.error.HTTPError as error:
        with error:
            return f"HTTP status {error.code}"
    except urllib.error.URLError as error:
        return f"{type(error.reason).__name__}"
    except (OSError, ValueError, http.client.HTTPException) as error:
        return type(error).__name__
