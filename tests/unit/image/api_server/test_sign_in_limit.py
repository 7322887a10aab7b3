"""Guessing passwords at the routes that give tokens."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from airflow_on_fargate.api_server.sign_in_limit import SignInLimitMiddleware

RIGHT = b"right"


class Passwords:
    """An app that takes a password, and says how many it checked at the same time."""

    def __init__(self) -> None:
        self.checked = 0
        self.most = 0
        self._now = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = (await receive())["body"]
        self.checked += 1
        self._now += 1
        self.most = max(self.most, self._now)
        await asyncio.sleep(0)
        self._now -= 1
        status = 201 if body == RIGHT else 401
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b""})


async def guess(
    app: Any,
    password: bytes,
    client: str = "203.0.113.9",
    path: str = "/auth/token",
    method: str = "POST",
) -> tuple[int, dict[bytes, bytes]]:
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": password, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path, "headers": [], "client": (client, 0)}
    await app(scope, receive, send)
    return sent[0]["status"], dict(sent[0]["headers"])


def run(attack: Callable[[Any, Passwords], Any]) -> Passwords:
    passwords = Passwords()
    asyncio.run(attack(SignInLimitMiddleware(passwords), passwords))
    return passwords


def test_password_is_not_found_by_guessing() -> None:
    async def attack(app: Any, _: Passwords) -> None:
        answers = [await guess(app, b"wrong %d" % number) for number in range(120)]
        assert [status for status, _ in answers] == [401] * 10 + [429] * 110
        status, headers = await guess(app, RIGHT)
        assert status == 429
        assert 1 <= int(headers[b"retry-after"]) <= 60

    assert run(attack).checked == 10


@pytest.mark.parametrize("path", ["/auth/token/cli", "/airflow/auth/token"])
def test_all_routes_share_one_count(path: str) -> None:
    async def attack(app: Any, _: Passwords) -> None:
        for number in range(10):
            await guess(app, b"wrong %d" % number)
        assert (await guess(app, RIGHT, path=path))[0] == 429

    run(attack)


def test_guesses_at_the_same_time_are_counted_too() -> None:
    async def attack(app: Any, passwords: Passwords) -> None:
        answers = await asyncio.gather(*[guess(app, b"wrong") for _ in range(200)])
        assert [status for status, _ in answers].count(401) == 10
        assert passwords.most == 1

    run(attack)


def test_others_sign_in_while_an_address_is_refused() -> None:
    async def attack(app: Any, _: Passwords) -> None:
        for _ in range(50):
            await guess(app, b"wrong")
        for number in range(30):
            assert (await guess(app, RIGHT, f"198.51.100.{number}"))[0] == 201

    run(attack)


def test_right_passwords_are_not_counted() -> None:
    async def use(app: Any, _: Passwords) -> None:
        assert {(await guess(app, RIGHT))[0] for _ in range(100)} == {201}

    run(use)


def test_addresses_of_one_ipv6_network_count_as_one() -> None:
    async def attack(app: Any, _: Passwords) -> None:
        for number in range(10):
            await guess(app, b"wrong", f"2001:db8:1:2::{number}")
        assert (await guess(app, RIGHT, "2001:db8:1:2:ffff::1"))[0] == 429
        assert (await guess(app, RIGHT, "2001:db8:1:3::1"))[0] == 201

    run(attack)


def test_long_body_is_refused_before_it_is_checked() -> None:
    async def attack(app: Any, _: Passwords) -> None:
        assert (await guess(app, b"x" * 70_000))[0] == 413

    assert run(attack).checked == 0


@pytest.mark.parametrize(
    ("path", "method"), [("/auth/token", "GET"), ("/api/v2/dags", "POST"), ("/ui/auth", "POST")]
)
def test_other_requests_are_not_counted(path: str, method: str) -> None:
    async def use(app: Any, _: Passwords) -> None:
        statuses = {(await guess(app, b"", path=path, method=method))[0] for _ in range(30)}
        assert statuses == {401}

    run(use)
