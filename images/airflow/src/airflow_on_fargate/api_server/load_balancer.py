"""Requests that came through the load balancer: no execution API, and the scheme that users see.

The load balancer adds X-Forwarded-For to each request. Requests from inside the network, which are
those of tasks and of health checks, do not have it and pass unchanged.

- The execution API is for tasks only. The load balancer refuses its path, but compares the path as
  it is written, and the server decodes it: `/%65xecution/` would pass. So the path is refused here,
  in every spelling.
- Behind CloudFront the load balancer speaks HTTP and says so in X-Forwarded-Proto. Airflow would
  redirect users to http:// and send cookies without `Secure`. The scheme is the base URL's.
"""

import re
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from typing import Any, Final
from urllib.parse import unquote, urlsplit

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

REFUSED: Final = "execution"
# Nothing of Airflow's is encoded more than twice.
_MOST_DECODINGS: Final = 8
_SEPARATORS: Final = re.compile(r"[/\\]")
# What may follow a name in a segment: parameters, a query that is part of the path, blanks.
_AFTER_THE_NAME: Final = re.compile(r"[;?#\x00-\x20]")
_NOT_FOUND: Final = b'{"detail":"Not Found"}'


class LoadBalancerMiddleware:
    """Refuses and corrects requests that have X-Forwarded-For."""

    def __init__(self, app: App, base_url: str) -> None:
        self._app = app
        url = urlsplit(base_url)
        self._https = url.scheme == "https"
        self._port = str(url.port or 443).encode()
        self._prefix = [name for name in url.path.casefold().split("/") if name]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI's way in."""
        if scope["type"] in {"http", "websocket"} and _came_through_the_load_balancer(scope):
            if is_refused(scope["path"], self._prefix):
                await _refuse(scope, send)
                return
            if self._https:
                scope = self._with_https(scope)
        await self._app(scope, receive, send)

    def _with_https(self, scope: Scope) -> Scope:
        """As the user's browser sent it. FAB reads the headers, Airflow the scheme."""
        corrected = {b"x-forwarded-proto": b"https", b"x-forwarded-port": self._port}
        headers = [(name, corrected.get(name.lower(), value)) for name, value in scope["headers"]]
        scheme = "https" if scope["type"] == "http" else "wss"
        return {**scope, "scheme": scheme, "headers": headers}


def is_refused(path: str, prefix: list[str]) -> bool:
    """Whether any reading of `path` enters the execution API, below the base URL's path or not."""
    refused = ([REFUSED], [*prefix, REFUSED])
    readings = list(_readings(path))
    return len(readings) > _MOST_DECODINGS or any(
        entered in refused for reading in readings for entered in _folders(reading)
    )


def _readings(path: str) -> Iterator[str]:
    """The path, and what it is after each further decoding; one too many when there is no end."""
    for _ in range(_MOST_DECODINGS + 1):
        yield path
        decoded = unquote(path)
        if decoded == path:
            return
        path = decoded


def _folders(path: str) -> Iterator[list[str]]:
    """Every folder on the way, since `/execution/../x` is routed to the execution API."""
    folder: list[str] = []
    for segment in _SEPARATORS.split(path):
        name = _AFTER_THE_NAME.split(segment.casefold(), maxsplit=1)[0]
        if name in {"", "."}:
            continue
        if name == "..":
            del folder[-1:]
            continue
        folder.append(name)
        yield list(folder)


def _came_through_the_load_balancer(scope: Scope) -> bool:
    return any(name.lower() == b"x-forwarded-for" for name, _ in scope["headers"])


async def _refuse(scope: Scope, send: Send) -> None:
    """As for a path that does not exist."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
        return
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(_NOT_FOUND)).encode()),
    ]
    await send({"type": "http.response.start", "status": 404, "headers": headers})
    body = b"" if scope["method"] == "HEAD" else _NOT_FOUND
    await send({"type": "http.response.body", "body": body})
