"""The container's health checks, against files and a local port."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from airflow_on_fargate import health, heartbeat
from airflow_on_fargate.health import UnhealthyError


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    return str(tmp_path)


@pytest.fixture
def server() -> Iterator[HTTPServer]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.server.paths.append(self.path)  # type: ignore[attr-defined]
            self.send_response(self.server.status)  # type: ignore[attr-defined]
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    http = HTTPServer(("127.0.0.1", 0), Handler)
    http.status, http.paths = 200, []  # type: ignore[attr-defined]
    threading.Thread(target=http.serve_forever, daemon=True).start()
    yield http
    http.shutdown()
    http.server_close()


def let_age(name: str, seconds: float) -> None:
    moment = time.time() - seconds
    os.utime(heartbeat.path_of(name), (moment, moment))


@pytest.mark.parametrize("component", sorted(heartbeat.COMPONENTS))
def test_healthy_when_the_loop_ran_recently(component: str, home: str) -> None:
    heartbeat.beat(component)
    assert "loop" in health.check(component, {"AIRFLOW_HOME": home})


@pytest.mark.parametrize("component", sorted(heartbeat.COMPONENTS))
def test_unhealthy_when_the_loop_does_not_run(component: str, home: str) -> None:
    heartbeat.beat(component)
    let_age(component, health.MAX_HEARTBEAT_AGE_SECONDS + 5)
    with pytest.raises(UnhealthyError, match="last ran"):
        health.check(component, {"AIRFLOW_HOME": home})


def test_unhealthy_when_the_loop_never_ran(home: str) -> None:
    with pytest.raises(UnhealthyError, match="not started"):
        health.check("worker", {"AIRFLOW_HOME": home})


def test_healthy_when_waiting_for_the_schema(home: str) -> None:
    heartbeat.beat(heartbeat.waiting_for_schema("scheduler"))
    assert "schema" in health.check("scheduler", {"AIRFLOW_HOME": home})


def test_heartbeats_of_neighbours_do_not_count(home: str) -> None:
    heartbeat.beat("triggerer")
    heartbeat.beat(heartbeat.waiting_for_schema("scheduler"))
    with pytest.raises(UnhealthyError, match="dag-processor has not started"):
        health.check("dag-processor", {"AIRFLOW_HOME": home})


def test_unhealthy_when_the_wait_itself_hangs(home: str) -> None:
    waiting = heartbeat.waiting_for_schema("dag-processor")
    heartbeat.beat(waiting)
    let_age(waiting, health.MAX_WAIT_AGE_SECONDS + 5)
    with pytest.raises(UnhealthyError):
        health.check("dag-processor", {"AIRFLOW_HOME": home})


def test_api_server_is_asked_under_its_path_when_the_base_url_has_one(
    home: str, server: HTTPServer
) -> None:
    environment = {
        "AIRFLOW_HOME": home,
        "AIRFLOW__API__HOST": "0.0.0.0",
        "AIRFLOW__API__PORT": str(server.server_port),
        "AIRFLOW__API__BASE_URL": "https://example.com/airflow/",
    }
    health.check("api-server", environment)
    assert server.paths == ["/airflow/api/v2/version"]  # type: ignore[attr-defined]


def test_scheduler_is_unhealthy_when_it_answers_503(home: str, server: HTTPServer) -> None:
    environment = {
        "AIRFLOW_HOME": home,
        "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER_PORT": str(server.server_port),
    }
    assert "200" in health.check("scheduler", environment)
    server.status = 503  # type: ignore[attr-defined]
    with pytest.raises(UnhealthyError, match="503"):
        health.check("scheduler", environment)


def test_unhealthy_when_the_port_is_closed(home: str, server: HTTPServer) -> None:
    port = server.server_port
    server.shutdown()
    server.server_close()
    with pytest.raises(UnhealthyError, match="refused"):
        health.check("api-server", {"AIRFLOW_HOME": home, "AIRFLOW__API__PORT": str(port)})


def test_exit_code_is_one_when_the_component_is_unknown(home: str) -> None:
    assert health.main(["beat"]) == 1


def test_exit_code_is_one_when_the_configuration_is_malformed(
    home: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONFIGURATION", "[]")
    assert health.main(["scheduler"]) == 1


def test_imports_only_the_standard_library() -> None:
    code = (
        "import sys; before = set(sys.modules); import airflow_on_fargate.health; "
        "print([m for m in set(sys.modules) - before "
        "if m.split('.')[0] not in sys.stdlib_module_names | {'airflow_on_fargate'}])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(Path(health.__file__).parents[1])},
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.strip() == "[]"
