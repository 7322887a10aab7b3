"""Requests through the load balancer, against Airflow's own execution API and router."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from airflow_on_fargate import patches
from airflow_on_fargate.api_server.load_balancer import (
    LoadBalancerMiddleware,
    client_address,
    is_refused,
)

FORWARDED = [(b"x-forwarded-for", b"203.0.113.9"), (b"x-forwarded-proto", b"http")]
# As an attacker writes them in the request line.
SPELLINGS = [
    "/execution",
    "/execution/",
    "/execution/health",
    "/EXECUTION/health",
    "/%65xecution/health",
    "/%65%78%65%63%75%74%69%6f%6e/health",
    "/%2565xecution/health",
    "/%252565xecution/health",
    "/%25252525252525252565xecution/health",
    "//execution/health",
    "///execution//health",
    "/./execution/health",
    "/%2e/execution/health",
    "/x/../execution/health",
    "/x/%2e%2e/execution/health",
    "/x/y/../../execution/health",
    "/../execution/health",
    "/execution/../api/v2/version",
    "/execution/%2e%2e/api/v2/version",
    "/execution%2fhealth",
    "/%2fexecution/health",
    "/\\execution/health",
    "/%5cexecution%5chealth",
    "/;x=1/execution/health",
    "/execution;x=1/health",
    "/execution%3Fx/health",
    "/execution%00/health",
    "/execution%20/health",
]
OTHERS = [
    "/",
    "/api/v2/version",
    "/api/v2/dags/execution",
    "/dags/execution/runs",
    "/executions",
    "/auth/login",
    "/static/execution/logo.svg",
    "/dags/100%25",
]


def as_uvicorn_reads(target: str) -> str:
    """The decoded path that the server puts into the scope."""
    from urllib.parse import unquote

    return unquote(target)


def ask(
    app: Any, target: str, headers: list[tuple[bytes, bytes]], kind: str = "http"
) -> list[dict[str, Any]]:
    """The messages that an app sends for one request."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": kind,
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": as_uvicorn_reads(target),
        "raw_path": target.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"airflow.example.com"), *headers],
        "client": ("10.0.0.5", 4711),
        "server": ("10.0.0.9", 8080),
    }
    asyncio.run(app(scope, receive, send))
    return sent


def status(app: Any, target: str, headers: list[tuple[bytes, bytes]]) -> int:
    return int(ask(app, target, headers)[0]["status"])


class Echo:
    """An app that keeps the scopes of its requests."""

    def __init__(self) -> None:
        self.scopes: list[Any] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scopes.append(scope)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})


@pytest.fixture(scope="module")
def airflow_app() -> Iterator[Any]:
    """Airflow's app with the execution API, created as in the server."""
    from airflow.api_fastapi import app

    original = app.create_app
    patches.apply("api_server.load_balancer_requests")
    yield app.create_app(apps="execution")
    app.create_app = original


@pytest.mark.parametrize("target", SPELLINGS)
def test_execution_api_is_not_found_through_the_load_balancer(
    airflow_app: Any, target: str
) -> None:
    assert status(airflow_app, target, FORWARDED) == 404
    assert is_refused(as_uvicorn_reads(target), [])


@pytest.mark.parametrize("target", ["/execution/health", "/%65xecution/health"])
def test_execution_api_answers_inside_the_network(airflow_app: Any, target: str) -> None:
    assert status(airflow_app, target, []) == 200


@pytest.mark.parametrize("target", OTHERS)
@pytest.mark.parametrize("prefix", [[], ["airflow"]])
def test_other_paths_pass(target: str, prefix: list[str]) -> None:
    assert not is_refused(as_uvicorn_reads(target), prefix)


@pytest.mark.parametrize("target", SPELLINGS)
@pytest.mark.parametrize("base", ["", "/airflow", "/Air", "//AIRFLOW/./"])
def test_execution_api_is_refused_below_the_path_of_the_base_url(base: str, target: str) -> None:
    prefix = "/Air" if base == "/Air" else "/airflow"
    echo = Echo()
    app = LoadBalancerMiddleware(echo, f"https://example.com{prefix}/")
    assert status(app, base + target, FORWARDED) == 404
    assert echo.scopes == []


@pytest.mark.parametrize(
    ("base_url", "scheme", "proto", "port"),
    [
        ("https://d1.cloudfront.net", "https", b"https", b"443"),
        ("https://airflow.example.com:8443", "https", b"https", b"8443"),
        ("http://airflow.internal", "http", b"http", b"80"),
    ],
)
def test_scheme_is_the_base_urls(base_url: str, scheme: str, proto: bytes, port: bytes) -> None:
    echo = Echo()
    app = LoadBalancerMiddleware(echo, base_url)
    ask(app, "/auth/login", [*FORWARDED, (b"x-forwarded-port", b"80")])
    [scope] = echo.scopes
    assert scope["scheme"] == scheme
    headers = dict(scope["headers"])
    assert (headers[b"x-forwarded-proto"], headers[b"x-forwarded-port"]) == (proto, port)
    assert headers[b"x-forwarded-for"] == b"203.0.113.9"


def test_requests_inside_the_network_pass_unchanged() -> None:
    echo = Echo()
    ask(LoadBalancerMiddleware(echo, "https://airflow.example.com"), "/execution/health", [])
    assert echo.scopes[0]["scheme"] == "http"


def test_websocket_is_closed() -> None:
    echo = Echo()
    app = LoadBalancerMiddleware(echo, "https://airflow.example.com")
    assert ask(app, "/execution/x", FORWARDED, "websocket") == [
        {"type": "websocket.close", "code": 1008}
    ]
    ask(app, "/ui/x", FORWARDED, "websocket")
    assert echo.scopes[0]["scheme"] == "wss"


@pytest.mark.parametrize(
    ("forwarded", "hops", "client"),
    [
        (["203.0.113.9"], 1, "203.0.113.9"),
        # What the client sent itself comes first.
        (["10.0.0.1, 203.0.113.9"], 1, "203.0.113.9"),
        (["10.0.0.1", "203.0.113.9"], 1, "203.0.113.9"),
        (["10.0.0.1,,203.0.113.9"], 1, "203.0.113.9"),
        # CloudFront adds the user's address, the load balancer that of CloudFront.
        (["203.0.113.9, 10.0.0.4"], 2, "203.0.113.9"),
        (["10.0.0.1, 10.0.0.2, 203.0.113.9, 10.0.0.4"], 2, "203.0.113.9"),
        (["10.0.0.1"], 2, "10.0.0.1"),
    ],
)
def test_client_cannot_choose_its_address(forwarded: list[str], hops: int, client: str) -> None:
    headers = [(b"X-Forwarded-For", each.encode()) for each in forwarded]
    assert client_address(headers, hops) == client
    echo = Echo()
    ask(LoadBalancerMiddleware(echo, "https://airflow.example.com", hops), "/x", headers)
    [scope] = echo.scopes
    assert scope["client"][0] == client
    assert [value for name, value in scope["headers"] if name == b"x-forwarded-for"] == [
        client.encode()
    ]


@pytest.mark.parametrize(("url", "hsts"), [("https://example.com", True), ("http://a", False)])
def test_answers_protect_the_browser(url: str, hsts: bool) -> None:
    app = LoadBalancerMiddleware(Echo(), url)
    for target in ("/ui/config", "/execution/health"):
        headers = dict(ask(app, target, FORWARDED)[0]["headers"])
        assert headers[b"x-frame-options"] == b"SAMEORIGIN"
        assert headers[b"x-content-type-options"] == b"nosniff"
        assert (b"strict-transport-security" in headers) == hsts


@pytest.mark.parametrize("base", ["", "/airflow"])
@pytest.mark.parametrize("target", ["/openapi.json", "/docs", "/redoc", "/auth/openapi.json"])
def test_descriptions_of_the_api_are_not_public(base: str, target: str) -> None:
    url = f"https://example.com{base}"
    assert status(LoadBalancerMiddleware(Echo(), url), base + target, FORWARDED) == 404
    offered = LoadBalancerMiddleware(Echo(), url, with_descriptions=True)
    assert status(offered, base + target, FORWARDED) == 200


@pytest.mark.parametrize("target", ["/dags/docs", "/api/v2/dags/openapi.json", "/auth/login/docs"])
def test_names_of_dags_are_not_taken_for_descriptions(target: str) -> None:
    assert status(LoadBalancerMiddleware(Echo(), "https://a"), target, FORWARDED) == 200
