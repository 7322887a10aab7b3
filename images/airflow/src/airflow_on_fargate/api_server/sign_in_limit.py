"""A limit for wrong passwords, by client address.

Airflow limits its sign-in form, but not the requests for a token: anyone may guess passwords there,
and each guess takes 0.15 s of the CPU that also answers the heartbeats of running tasks.

An address that was wrong ten times within a minute gets 429 until a minute is over. Right passwords
do not count, and other addresses are not affected. Passwords are checked one at a time, so guesses
from many addresses leave half of the CPU to everything else. The count belongs to one process: an
attacker gets as many attempts as there are api-server processes.
"""

import asyncio
import ipaddress
import math
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from limits import parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

WRONG_PASSWORDS: Final = parse("10/minute")
# FAB's routes that take a password and answer with a token, below the path of the base URL.
PATHS: Final = ("/auth/token", "/auth/token/cli")
_UNAUTHORIZED: Final = 401
# Who rents an IPv6 network gets a /64 at least.
_IPV6_PREFIX: Final = 64
# A user name and a password.
_MOST_BYTES: Final = 64 * 1024
_TOO_LONG: Final = b'{"detail":"Too long"}'
_TOO_MANY: Final = b'{"detail":"Too many wrong passwords from this address"}'


class SignInLimitMiddleware:
    """Counts the 401 of each address, and answers 429 instead of checking more passwords."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._limiter = MovingWindowRateLimiter(MemoryStorage())
        self._one_at_a_time = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI's way in."""
        if scope["type"] != "http" or scope["method"] != "POST" or not _takes_a_password(scope):
            await self._app(scope, receive, send)
            return
        client = _network(scope)
        # The body first: a client that sends it slowly must not hold the lock.
        body = await _read(receive)
        if body is None:
            await _answer(send, 413, _TOO_LONG)
            return
        async with self._one_at_a_time:
            # Here, because attempts that waited may have used up the limit.
            if self._limiter.test(WRONG_PASSWORDS, client):
                await self._app(scope, _replay(body, receive), self._counting(client, send))
                return
        await self._refuse(client, send)

    def _counting(self, client: str, send: Send) -> Send:
        async def send_and_count(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start" and message["status"] == _UNAUTHORIZED:
                self._limiter.hit(WRONG_PASSWORDS, client)
            await send(message)

        return send_and_count

    async def _refuse(self, client: str, send: Send) -> None:
        until = self._limiter.get_window_stats(WRONG_PASSWORDS, client).reset_time
        seconds = max(1, math.ceil(until - time.time()))
        await _answer(send, 429, _TOO_MANY, (b"retry-after", str(seconds).encode()))


def _takes_a_password(scope: Scope) -> bool:
    path: str = scope["path"]
    return path.endswith(PATHS)


def _network(scope: Scope) -> str:
    """The client's address; of an IPv6 address its network."""
    address = str((scope.get("client") or ("unknown", 0))[0])
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if parsed.version == 4:
        return address
    return str(ipaddress.ip_network((parsed, _IPV6_PREFIX), strict=False))


async def _read(receive: Receive) -> list[MutableMapping[str, Any]] | None:
    """The messages of the body; None if it is too long."""
    messages = []
    length = 0
    while True:
        message = await receive()
        messages.append(message)
        length += len(message.get("body", b""))
        if length > _MOST_BYTES:
            return None
        if message["type"] != "http.request" or not message.get("more_body", False):
            return messages


def _replay(messages: list[MutableMapping[str, Any]], receive: Receive) -> Receive:
    """First what was read, then what the server says."""
    left = iter(messages)

    async def receive_again() -> MutableMapping[str, Any]:
        message = next(left, None)
        return await receive() if message is None else message

    return receive_again


async def _answer(send: Send, status: int, body: bytes, *headers: tuple[bytes, bytes]) -> None:
    described = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        *headers,
    ]
    await send({"type": "http.response.start", "status": status, "headers": described})
    await send({"type": "http.response.body", "body": body})
