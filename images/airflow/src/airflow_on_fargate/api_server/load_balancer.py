"""Requests that came through the load balancer: no execution API, and the client as it is.

The load balancer adds X-Forwarded-For to each request. Requests from inside the network, which are
those of tasks and of health checks, do not have it and pass unchanged.

- The execution API is for tasks only. The load balancer refuses its path, but compares the path as
  it is written, and the server decodes it: `/%65xecution/` would pass. So the path is refused here,
  in every spelling.
- Behind CloudFront the load balancer speaks HTTP and says so in X-Forwarded-Proto. Airflow would
  redirect users to http:// and send cookies without `Secure`. The scheme is the base URL's.
- A client may send X-Forwarded-For itself. Each proxy of the stack adds the address that it sees to
  the end: with CloudFront the client is the last but one, otherwise the last. Only that address is
  passed on, to logs and to the limits of sign-ins.
- Airflow's answers lack the headers that tell a browser to stay on HTTPS, not to guess content
  types, and not to show Airflow inside other sites. Airflow itself uses frames.
- The descriptions of the API (`/openapi.json`) are public in Airflow. They are refused unless
  `[api] enable_swagger_ui` is on, which offers them to users.
"""

import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, MutableMapping
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
_DESCRIPTIONS: Final = frozenset({"openapi.json", "docs", "redoc"})
_HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"SAMEORIGIN"),
    (b"referrer-policy", b"same-origin"),
)
_HSTS: Final = (b"strict-transport-security", b"max-age=31536000")


class LoadBalancerMiddleware:
    """Refuses and corrects requests that have X-Forwarded-For."""

    def __init__(
        self, app: App, base_url: str, hops: int = 1, with_descriptions: bool = False
    ) -> None:
        """`hops` is the number of the stack's proxies, each of which adds an address."""
        self._app = app
        self._hops = hops
        self._with_descriptions = with_descriptions
        url = urlsplit(base_url)
        self._https = url.scheme == "https"
        self._port = str(url.port or 443).encode()
        self._prefix = [name for name in url.path.casefold().split("/") if name]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI's way in."""
        if scope["type"] in {"http", "websocket"} and _came_through_the_load_balancer(scope):
            send = self._protecting(send)
            if is_refused(scope["path"], self._prefix) or self._is_description(scope["path"]):
                await _refuse(scope, send)
                return
            scope = self._as_the_client_sent_it(scope)
        await self._app(scope, receive, send)

    def _is_description(self, path: str) -> bool:
        if self._with_descriptions:
            return False
        names = [name for name in path.casefold().split("/") if name]
        names = names[len(self._prefix) :] if names[: len(self._prefix)] == self._prefix else names
        # Of Airflow's API, and of the auth manager's.
        return bool(_DESCRIPTIONS.intersection(names[1:2] if names[:1] == ["auth"] else names[:1]))

    def _as_the_client_sent_it(self, scope: Scope) -> Scope:
        """FAB reads the headers, Airflow the scheme and the client."""
        client = client_address(scope["headers"], self._hops)
        corrected = {b"x-forwarded-for": client.encode("latin1")}
        changed: dict[str, Any] = {"client": (client, 0)}
        if self._https:
            corrected |= {b"x-forwarded-proto": b"https", b"x-forwarded-port": self._port}
            changed["scheme"] = "https" if scope["type"] == "http" else "wss"
        others = [each for each in scope["headers"] if each[0].lower() not in corrected]
        return {**scope, **changed, "headers": [*others, *corrected.items()]}

    def _protecting(self, send: Send) -> Send:
        added = (*_HEADERS, _HSTS) if self._https else _HEADERS

        async def send_protected(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                present = list(message.get("headers", ()))
                names = {name.lower() for name, _ in present}
                extra = [each for each in added if each[0] not in names]
                message = {**message, "headers": [*present, *extra]}
            await send(message)

        return send_protected


def client_address(headers: Iterable[tuple[bytes, bytes]], hops: int) -> str:
    """The address that the outermost proxy of the stack saw."""
    forwarded = b",".join(value for name, value in headers if name.lower() == b"x-forwarded-for")
    addresses = [each.strip() for each in forwarded.decode("latin1").split(",")]
    return addresses[-min(hops, len(addresses))]


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
