"""A request of the UI port or the HTTPS port, read completely, and the answers of this package."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]

# Status, headers and body, as ministack's services answer. A body may be a stream.
Response = tuple[int, dict[str, Any], Any]


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    raw_path: str | None
    query: str
    headers: dict[str, str]
    body: bytes
    client: str

    @property
    def query_parameters(self) -> dict[str, list[str]]:
        return parse_qs(self.query, keep_blank_values=True)


async def read_request(scope: Scope, receive: Receive) -> Request | None:
    """The request with its whole body; None if the client disconnected before it was complete."""
    body = bytearray()
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        more = message.get("more_body", False)
    headers: dict[str, str] = {}
    for name, value in ((n.decode("latin-1"), v.decode("latin-1")) for n, v in scope["headers"]):
        # HTTP/2 may split cookies; every other repeated field is a list.
        joint = "; " if name == "cookie" else ", "
        headers[name] = f"{headers[name]}{joint}{value}" if name in headers else value
    return Request(
        method=scope["method"],
        path=scope["path"],
        raw_path=scope.get("raw_path", b"").decode("latin-1") or None,
        query=scope["query_string"].decode("latin-1"),
        headers=headers,
        body=bytes(body),
        client=scope["client"][0],
    )


def answer(status: int, message: str) -> Response:
    return status, {"Content-Type": "application/json"}, json.dumps({"message": message}).encode()
