"""Attacks on the real API server: without an account, as a Viewer, and with what a task has."""

import base64
import hashlib
import hmac
import json
import time
import uuid
from typing import Any

import jwt
import pytest
from api_server_process import FORWARDED, TOKEN_KEY, WORKERS_KEY, Server

from airflow_on_fargate.rotation.token_keys import key_id

# Another address than that of the tests of wrong passwords.
OUTSIDE = {**FORWARDED, "X-Forwarded-For": "198.51.100.20"}
# From inside the network no proxy adds a header.
INSIDE: dict[str, str] = {}
ISSUER = "airflow-on-fargate"
# Every token names the key of the server: without it none would get as far as its signature.
KEY_ID = key_id(TOKEN_KEY)
# What Airflow shows to everyone: its version, its health, and what the sign-in page needs.
PUBLIC = frozenset(
    {
        "/api/v2/version",
        "/api/v2/monitor/health",
        "/api/v2/auth/login",
        "/api/v2/auth/logout",
        "/auth/token",
        "/auth/token/cli",
        "/auth/logout",
    }
)
REFUSED = frozenset({401, 403})


def bearer(token: str, headers: dict[str, str] = OUTSIDE) -> dict[str, str]:
    return {**headers, "Authorization": f"Bearer {token}"}


@pytest.fixture(scope="module")
def admin(server: Server) -> str:
    return server.token("admin", "first", OUTSIDE)


@pytest.fixture(scope="module")
def viewer(server: Server, admin: str) -> str:
    account = {
        "username": "viewer", "password": "third", "email": "viewer@example.com",
        "first_name": "V", "last_name": "W", "roles": [{"name": "Viewer"}],
    }  # fmt: skip
    status, answer = server.ask_json("POST /auth/fab/v1/users", bearer(admin), account)
    assert status in (200, 201), answer
    return server.token("viewer", "third", OUTSIDE)


@pytest.fixture(scope="module")
def stored(server: Server, admin: str) -> None:
    """A connection and a variable in the metadata database."""
    connection = {"connection_id": "one", "conn_type": "http", "password": "hidden-password"}
    for path, value in (
        ("connections", connection),
        ("variables", {"key": "one", "value": "a value"}),
    ):
        status, answer = server.ask_json(f"POST /api/v2/{path}", bearer(admin), value)
        assert status == 201, answer


# ---- Without an account ----


def test_every_path_of_the_api_asks_for_an_account(server: Server) -> None:
    """The paths are those that the server describes to those inside the network."""
    found = 0
    for description in ("/openapi.json", "/auth/openapi.json"):
        _, answer = server.ask_json(f"GET {description}", INSIDE)
        for path, methods in answer["paths"].items():
            full = path if description == "/openapi.json" else f"/auth{path}"
            if full in PUBLIC:
                continue
            for method in methods:
                target = full.replace("{", "").replace("}", "")
                status, text = server.ask_json(f"{method.upper()} {target}", OUTSIDE)
                assert status in REFUSED | {404, 405}, (method, target, status, text)
                found += 1
    assert found > 100


def forged(claims: dict[str, Any], key: str | None, algorithm: str = "HS512") -> str:
    now = int(time.time())
    given = {"iat": now, "nbf": now, "exp": now + 600, "jti": uuid.uuid4().hex, **claims}
    return jwt.encode(given, key, algorithm=algorithm, headers={"kid": KEY_ID})


def signed_with_nothing(claims: dict[str, Any]) -> str:
    """By hand, because the library refuses an empty key."""
    parts = [
        base64.urlsafe_b64encode(json.dumps(each).encode()).rstrip(b"=")
        for each in ({"alg": "HS512", "typ": "JWT", "kid": KEY_ID}, claims)
    ]
    digest = hmac.new(b"", b".".join(parts), hashlib.sha512).digest()
    return b".".join([*parts, base64.urlsafe_b64encode(digest).rstrip(b"=")]).decode()


def claims_of(token: str) -> dict[str, Any]:
    found: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return found


@pytest.mark.parametrize("key", ["workers-key", "empty-key", "no-signature", "kept-signature",
                                 "expired"])  # fmt: skip
def test_forged_token_of_an_administrator_is_refused(server: Server, admin: str, key: str) -> None:
    claims = claims_of(admin)
    header, _, signature = admin.split(".")
    changed = base64.urlsafe_b64encode(json.dumps({**claims, "jti": "x"}).encode()).decode()
    passed = int(time.time()) - 3600
    token = {
        "workers-key": lambda: forged(claims, WORKERS_KEY),
        "empty-key": lambda: signed_with_nothing(claims),
        "no-signature": lambda: forged(claims, None, "none"),
        "kept-signature": lambda: f"{header}.{changed.rstrip('=')}.{signature}",
        "expired": lambda: forged({**claims, "exp": passed}, TOKEN_KEY),
    }[key]()
    for headers in (OUTSIDE, INSIDE):
        assert server.ask_json("GET /api/v2/connections", bearer(token, headers))[0] in REFUSED
        cookie = {**headers, "Cookie": f"_token={token}"}
        assert server.ask_json("GET /api/v2/connections", cookie)[0] in REFUSED
    assert server.ask_json("GET /api/v2/connections", bearer(admin))[0] == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Remote-User": "admin", "Remote-User": "admin", "REMOTE_USER": "admin"},
        {"X-Forwarded-User": "admin", "X-Forwarded-Email": "admin@example.com"},
        {"X-Amzn-Oidc-Identity": "admin", "X-Amzn-Oidc-Data": "admin"},
        {"X-Original-URL": "/api/v2/version", "X-Rewrite-URL": "/api/v2/version"},
        {"X-HTTP-Method-Override": "OPTIONS"},
    ],
    ids=lambda headers: next(iter(headers)).lower(),
)
def test_header_does_not_sign_in(server: Server, headers: dict[str, str]) -> None:
    assert server.ask("/api/v2/connections", {**OUTSIDE, **headers})[0] in REFUSED


@pytest.mark.parametrize("name", ["X-Forwarded-Host", "X-Forwarded-Prefix", "X-Forwarded-Server"])
def test_header_does_not_choose_where_a_redirect_goes(server: Server, name: str) -> None:
    status, headers = server.ask("/auth/login", {**OUTSIDE, name: "evil.example.com"})
    assert status in (307, 308)
    assert "evil" not in str(headers)


@pytest.mark.parametrize(
    ("username", "password"),
    [("admin", "admin"), ("airflow", "airflow"), ("admin' OR '1'='1", "x"), ("admin", "")],
)
def test_known_password_does_not_sign_in(server: Server, username: str, password: str) -> None:
    headers = {**OUTSIDE, "X-Forwarded-For": f"198.51.100.{30 + len(username)}"}
    given = {"username": username, "password": password}
    assert server.ask_json("POST /auth/token", headers, given)[0] in (400, 401, 422)


def test_nobody_registers_an_account(server: Server) -> None:
    for target in ("/auth/register/form", "/auth/register", "/auth/users/add"):
        status, headers = server.ask(target, OUTSIDE)
        # FAB sends those without an account to the sign-in page.
        where = str([each for each in headers if each.startswith("location:")])
        assert status in REFUSED | {404, 405} or (status in (302, 308) and "/auth/" in where)
    account = {"username": "x", "password": "x", "email": "x@example.com",
               "first_name": "x", "last_name": "x"}  # fmt: skip
    assert server.ask_json("POST /auth/fab/v1/users", OUTSIDE, account)[0] in REFUSED


def test_sign_in_form_needs_the_token_of_its_page(server: Server) -> None:
    """Another site cannot sign a browser in."""
    form = "username=admin&password=first"
    headers = {**OUTSIDE, "Content-Type": "application/x-www-form-urlencoded"}
    status, received = server.send("POST /auth/login/", headers, form)
    assert not [each for each in received if each.startswith("set-cookie: _token=")], status


def test_other_site_does_not_read_answers(server: Server) -> None:
    headers = {**OUTSIDE, "Origin": "https://evil.example.com"}
    for method in ("GET", "OPTIONS"):
        _, received = server.send(f"{method} /api/v2/version", headers)
        assert "access-control-allow-origin" not in str(received)


@pytest.mark.parametrize("target", ["/static/../../../../etc/passwd", "/static/%2e%2e/%2e%2e/x",
                                    "/static/..%2f..%2f..%2fetc%2fpasswd"])  # fmt: skip
def test_file_outside_the_static_files_is_not_served(server: Server, target: str) -> None:
    _, _, text = server.exchange(f"GET {target}", OUTSIDE)
    assert "root:" not in text


# ---- As a Viewer ----

ADMINISTRATOR = {"roles": [{"name": "Admin"}]}
VIEWER_ATTEMPTS: dict[str, tuple[str, Any]] = {
    "reads-connections": ("GET /api/v2/connections", None),
    "reads-a-connection": ("GET /api/v2/connections/one", None),
    "reads-variables": ("GET /api/v2/variables", None),
    "reads-a-variable": ("GET /api/v2/variables/one", None),
    "reads-the-configuration": ("GET /api/v2/config", None),
    "reads-the-fernet-key": ("GET /api/v2/config/section/core/option/fernet_key", None),
    "reads-the-audit-log": ("GET /api/v2/eventLogs", None),
    "reads-users": ("GET /auth/fab/v1/users", None),
    "creates-a-connection": (
        "POST /api/v2/connections",
        {"connection_id": "two", "conn_type": "http"},
    ),
    "tests-a-connection": (
        "POST /api/v2/connections/test",
        {"connection_id": "two", "conn_type": "http", "host": "169.254.170.2"},
    ),
    "changes-a-variable": ("PATCH /api/v2/variables/one", {"key": "one", "value": "x"}),
    "deletes-a-pool": ("DELETE /api/v2/pools/default_pool", None),
    "runs-a-dag": ("POST /api/v2/dags/x/dagRuns", {"logical_date": None}),
    "unpauses-a-dag": ("PATCH /api/v2/dags/x", {"is_paused": False}),
    "deletes-a-dag": ("DELETE /api/v2/dags/x", None),
    "clears-tasks": ("POST /api/v2/dags/x/clearTaskInstances", {"dry_run": False}),
    "starts-a-backfill": (
        "POST /api/v2/backfills",
        {"dag_id": "x", "from_date": "2026-01-01T00:00:00Z", "to_date": "2026-01-02T00:00:00Z"},
    ),
    "creates-an-administrator": (
        "POST /auth/fab/v1/users",
        {"username": "x", "password": "x", "email": "x@example.com", "first_name": "x",
         "last_name": "x", **ADMINISTRATOR},
    ),
    "becomes-an-administrator": ("PATCH /auth/fab/v1/users/viewer", ADMINISTRATOR),
    "changes-the-administrators-password": ("PATCH /auth/fab/v1/users/admin", {"password": "x"}),
    "extends-its-role": ("PATCH /auth/fab/v1/roles/Viewer", {"name": "Viewer", "actions": []}),
}  # fmt: skip


@pytest.mark.parametrize("attempt", VIEWER_ATTEMPTS)
def test_viewer_is_refused(server: Server, viewer: str, stored: None, attempt: str) -> None:
    target, value = VIEWER_ATTEMPTS[attempt]
    status, answer = server.ask_json(target, bearer(viewer), value)
    assert status == 403, answer


def test_viewer_sees_dags(server: Server, viewer: str) -> None:
    """So that the refusals above are about rights."""
    assert server.ask_json("GET /api/v2/dags", bearer(viewer))[0] == 200


def test_token_of_a_viewer_does_not_become_that_of_an_administrator(
    server: Server, viewer: str, admin: str
) -> None:
    header, _, signature = viewer.split(".")
    other = {**claims_of(viewer), "sub": claims_of(admin)["sub"]}
    payload = base64.urlsafe_b64encode(json.dumps(other).encode()).decode().rstrip("=")
    token = f"{header}.{payload}.{signature}"
    assert server.ask_json("GET /api/v2/connections", bearer(token))[0] in REFUSED


def test_token_of_a_viewer_does_not_open_the_execution_api(
    server: Server, viewer: str, stored: None
) -> None:
    for headers, expected in ((OUTSIDE, {404}), (INSIDE, REFUSED)):
        status, answer = server.ask_json("GET /execution/variables/one", bearer(viewer, headers))
        assert status in expected, answer


def test_password_of_a_connection_is_not_shown_to_an_administrator_either(
    server: Server, admin: str, stored: None
) -> None:
    _, answer = server.ask_json("GET /api/v2/connections/one", bearer(admin))
    assert "hidden-password" not in json.dumps(answer)


# ---- With what a task has: its token, the key of log requests, the network ----


def of_a_task(task: str, key: str = TOKEN_KEY) -> str:
    """A token as the scheduler makes it for one task instance."""
    audience = "urn:airflow.apache.org:task"
    return forged({"iss": ISSUER, "aud": audience, "sub": task, "scope": "execution"}, key)


OWN, OTHER = str(uuid.uuid4()), str(uuid.uuid4())


def test_token_of_a_task_does_not_open_the_api_of_users(server: Server) -> None:
    for headers in (OUTSIDE, INSIDE):
        token = bearer(of_a_task(OWN), headers)
        for target in ("GET /api/v2/connections", "GET /api/v2/dags", "GET /auth/fab/v1/users"):
            assert server.ask_json(target, token)[0] in REFUSED


def test_token_of_a_task_does_not_change_another_task(server: Server) -> None:
    token = bearer(of_a_task(OWN), INSIDE)
    ended = {"state": "success", "end_date": "2026-01-01T00:00:00Z"}
    status, answer = server.ask_json(f"PATCH /execution/task-instances/{OTHER}/state", token, ended)
    assert status == 403, answer
    beat = {"hostname": "x", "pid": 1}
    target = f"PUT /execution/task-instances/{OTHER}/heartbeat"
    assert server.ask_json(target, token, beat)[0] == 403
    # Its own is not refused; there is no such task.
    status, _ = server.ask_json(f"PATCH /execution/task-instances/{OWN}/state", token, ended)
    assert status == 404


def test_worker_cannot_make_the_token_of_a_task(server: Server, stored: None) -> None:
    token = bearer(of_a_task(OWN, WORKERS_KEY), INSIDE)
    status, answer = server.ask_json("GET /execution/variables/one", token)
    assert status in REFUSED, answer


def test_limit_task_reads_every_connection_and_variable(server: Server, stored: None) -> None:
    """Over the execution API, with nothing but its own token."""
    token = bearer(of_a_task(OWN), INSIDE)
    status, answer = server.ask_json("GET /execution/connections/one", token)
    assert (status, answer.get("password")) == (200, "hidden-password"), answer
    status, answer = server.ask_json("GET /execution/variables/one", token)
    assert (status, answer["value"]) == (200, "a value")
