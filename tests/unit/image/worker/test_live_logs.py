"""Airflow's server of live logs, as a worker runs it, and what its key allows."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from fastapi.testclient import TestClient

KEY, OTHER_KEY = "s" * 64, "t" * 64
LOG = "dag_id=other/run_id=one/task_id=one/attempt=1.log"


@pytest.fixture
def logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    from airflow.utils.serve_logs.log_server import create_app

    monkeypatch.setenv("AIRFLOW__API__SECRET_KEY", KEY)
    monkeypatch.setenv("AIRFLOW__LOGGING__BASE_LOG_FOLDER", str(tmp_path / "logs"))
    monkeypatch.setenv("AIRFLOW__LOGGING__LOGGING_CONFIG_CLASS", "")
    file = tmp_path / "logs" / LOG
    file.parent.mkdir(parents=True)
    file.write_text("a live log")
    (tmp_path / "secret").write_text("outside")
    yield TestClient(create_app())


def request(logs: TestClient, target: str, key: str | None, **claims: Any) -> Any:
    if key is None:
        return logs.get(target)
    now = int(time.time())
    given = {"aud": "task-instance-logs", "iat": now, "nbf": now, "exp": now + 60, **claims}
    return logs.get(target, headers={"Authorization": jwt.encode(given, key, "HS512")})


@pytest.mark.parametrize(
    ("key", "claims"),
    [
        (None, {}),
        (OTHER_KEY, {"filename": LOG}),
        (KEY, {"filename": "another.log"}),
        (KEY, {"filename": LOG, "aud": "urn:airflow.apache.org:task"}),
        (KEY, {"filename": LOG, "exp": 1}),
    ],
    ids=["no-token", "another-key", "another-file", "token-of-a-task", "expired"],
)
def test_live_log_is_not_read_without_a_token_for_it(
    logs: TestClient, key: str | None, claims: dict[str, Any]
) -> None:
    assert request(logs, f"/log/{LOG}", key, **claims).status_code == 403


@pytest.mark.parametrize("name", ["../secret", "..%2fsecret", "%2e%2e/secret", "/etc/hosts"])
def test_file_outside_the_logs_is_not_read(logs: TestClient, name: str) -> None:
    found = request(logs, f"/log/{name}", KEY, filename=name)
    assert found.status_code in (403, 404)
    assert "outside" not in found.text


def test_limit_key_of_every_worker_opens_the_live_log_of_any_task(logs: TestClient) -> None:
    assert request(logs, f"/log/{LOG}", KEY, filename=LOG).text == "a live log"
