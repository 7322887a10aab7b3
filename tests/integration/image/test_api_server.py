"""The API server as a container runs it, with users in a database, behind a load balancer."""

import hashlib
import hmac
import json
import re
import time
from urllib.parse import urlencode

import pytest
from api_server_process import FORWARDED, SESSION_KEY, WORKERS_KEY, Server


@pytest.mark.parametrize(
    "target",
    [
        "/execution/health",
        "/%65xecution/health",
        "/%2565xecution/health",
        "//execution/health",
        "/./execution/health",
        "/x/../execution/health",
        "/EXECUTION/health",
        "/execution%2fhealth",
        "/execution/../api/v2/version",
    ],
)
def test_execution_api_is_not_found_through_the_load_balancer(server: Server, target: str) -> None:
    # Several times, because either worker may answer.
    assert {server.ask(target, FORWARDED)[0] for _ in range(6)} == {404}


@pytest.mark.parametrize("target", ["/execution/health", "/%65xecution/health"])
def test_execution_api_answers_inside_the_network(server: Server, target: str) -> None:
    assert server.ask(target, {})[0] == 200


def test_redirects_and_cookies_are_for_https(server: Server) -> None:
    status, headers = server.ask("/auth/login", FORWARDED)
    assert status == 308
    assert "location: https://airflow.example.com/auth/login/" in headers
    status, headers = server.ask("/auth/login/", FORWARDED)
    assert status == 200
    (cookie,) = [line for line in headers if line.startswith("set-cookie: session=")]
    assert "; Secure;" in cookie


def test_first_user_signs_in(server: Server) -> None:
    headers = {**FORWARDED, "Content-Type": "application/json"}
    body = json.dumps({"username": "admin", "password": "first"})
    assert server.send("POST /auth/token", headers, body)[0] == 201
    wrong = json.dumps({"username": "admin", "password": "second"})
    assert server.send("POST /auth/token", headers, wrong)[0] == 401


def test_worker_cannot_sign_in_with_the_key_that_it_has(server: Server) -> None:
    # Flask-Login's cookie: a user's id and its HMAC.
    for user_id in ("1", "2", "admin"):
        cookie = remembered(user_id, WORKERS_KEY)
        status, headers = server.ask("/auth/login/", {**FORWARDED, "Cookie": cookie})
        assert status == 200
        assert not [line for line in headers if line.startswith("set-cookie: _token=")]


def test_cookie_with_the_key_of_sessions_signs_in(server: Server) -> None:
    cookie = remembered("1", SESSION_KEY)
    status, headers = server.ask("/auth/login/", {**FORWARDED, "Cookie": cookie})
    assert status == 302
    assert [line for line in headers if line.startswith("set-cookie: _token=")]


def remembered(user_id: str, key: str) -> str:
    digest = hmac.new(key.encode(), user_id.encode(), hashlib.sha512).hexdigest()
    return f"remember_token={user_id}|{digest}"


def test_wrong_passwords_are_limited_by_address(server: Server) -> None:
    """Two processes answer, and each has its own count."""

    def sign_in(forwarded: str, password: str) -> int:
        headers = {**FORWARDED, "Content-Type": "application/json", "X-Forwarded-For": forwarded}
        body = json.dumps({"username": "admin", "password": password})
        return server.send("POST /auth/token", headers, body)[0]

    # The attacker claims another address each time.
    statuses = [sign_in(f"192.0.2.{number}, 203.0.113.66", "wrong") for number in range(60)]
    assert statuses.count(401) <= 20
    assert statuses[-1] == 429
    assert sign_in("203.0.113.66", "first") == 429
    assert sign_in("198.51.100.7", "first") == 201


def test_log_has_the_address_that_the_load_balancer_saw(server: Server) -> None:
    server.ask("/api/v2/version?seen", {**FORWARDED, "X-Forwarded-For": "192.0.2.99, 203.0.113.42"})
    deadline = time.monotonic() + 60
    while "203.0.113.42" not in (text := server.log.read_text()):
        assert time.monotonic() < deadline, text[-2000:]
        time.sleep(0.2)
    assert "192.0.2.99" not in text


def test_sign_in_form_is_limited_by_address(server: Server) -> None:
    """By Airflow itself, with the address that the load balancer saw."""
    _, headers, page = server.exchange("GET /auth/login/", FORWARDED)
    (cookie,) = [each for each in headers if each.startswith("set-cookie: session=")]
    token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page)
    assert token, page
    form = urlencode({"csrf_token": token[1], "username": "admin", "password": "wrong"})

    def sign_in(forwarded: str) -> int:
        sent = {
            **FORWARDED,
            "X-Forwarded-For": forwarded,
            "Content-Type": "application/x-www-form-urlencoded",
            "Cookie": cookie.removeprefix("set-cookie: ").partition(";")[0],
            "Referer": "https://airflow.example.com/auth/login/",
        }
        return server.send("POST /auth/login/", sent, form)[0]

    statuses = [sign_in(f"192.0.2.{number}, 203.0.113.67") for number in range(20)]
    assert statuses[0] in (200, 302)
    assert statuses[-1] == 429
    assert sign_in("198.51.100.8") in (200, 302)


def test_answers_protect_the_browser(server: Server) -> None:
    _, headers = server.ask("/auth/login/", FORWARDED)
    assert "strict-transport-security: max-age=31536000" in headers
    assert "x-frame-options: SAMEORIGIN" in headers


@pytest.mark.parametrize("target", ["/openapi.json", "/docs", "/redoc", "/auth/openapi.json"])
def test_description_of_the_api_is_not_public(server: Server, target: str) -> None:
    assert server.ask(target, FORWARDED)[0] == 404
