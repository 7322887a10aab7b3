"""The server of live logs is loaded when somebody reads one, and only in its own process."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from waiting import PATIENCE_SECONDS, eventually

from airflow_on_fargate.patches.worker import log_server

SOURCE = Path(__file__).resolve().parents[4] / "images" / "airflow" / "src"
PROGRAM = """
import sys
from airflow_on_fargate.patches.worker import log_server
log_server.apply()
from airflow.providers.celery.cli import celery_command
with celery_command._serve_logs():
    print("fastapi" in sys.modules, flush=True)
    sys.stdin.readline()
with celery_command._serve_logs(skip_serve_logs=True):
    print("skipped", flush=True)
"""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def test_live_log_server_is_loaded_with_the_first_request_and_ends_with_the_worker(
    tmp_path: Path,
) -> None:
    port = _free_port()
    (tmp_path / "logs").mkdir()
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(SOURCE),
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(port),
        "AIRFLOW__API__SECRET_KEY": "k" * 64,
    }
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM], env=environment, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None and process.stdout is not None
    try:
        assert process.stdout.readline() == "False\n"
        answer = None
        until = time.monotonic() + PATIENCE_SECONDS
        while answer is None and time.monotonic() < until:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/log/one", timeout=PATIENCE_SECONDS)
            except urllib.error.HTTPError as error:
                answer = error.code
            except urllib.error.URLError:
                time.sleep(0.05)
        # Without a token.
        assert answer == 403

        process.stdin.write("\n")
        process.stdin.flush()
        # After what the server logs.
        assert "skipped\n" in iter(process.stdout.readline, "")
        eventually(lambda: not _listens(port))
        assert process.wait(PATIENCE_SECONDS) == 0
    finally:
        process.kill()
        process.wait()


def test_worker_runs_without_live_logs_where_another_one_has_the_port(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.create_server(("", 0), family=socket.AF_INET6, dualstack_ipv6=True) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setenv("AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT", str(port))
        monkeypatch.setattr("setproctitle.setproctitle", lambda _: None)
        said: list[Any] = []
        monkeypatch.setattr(log_server.log, "error", lambda *words: said.extend(words))
        log_server._serve()

    assert port in said
