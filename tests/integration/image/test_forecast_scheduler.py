"""The real scheduler, started as in the container, on a real PostgreSQL, publishes a forecast.

AWS is a server that writes down what it is asked.
"""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from waiting import PATIENCE_SECONDS

from airflow_on_fargate import configuration

SOURCE = Path(configuration.__file__).parents[1]
# Time for a migration of an empty database, a start and two heartbeats on a slow machine.
MOST_SECONDS = PATIENCE_SECONDS


class Aws:
    """Keeps the requests in order: (method, path, body)."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, bytes]] = []
        self._changed = threading.Condition()
        aws = self

        class Handler(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                with aws._changed:
                    aws.asked.append((self.command, self.path, body))
                    aws._changed.notify_all()
                self.send_response(202 if "/invocations" in self.path else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_PUT = do_POST = _answer

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def wait_for(self, count: int) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: len(self.asked) >= count, MOST_SECONDS)

    def end(self) -> None:
        self._server.shutdown()


@pytest.fixture
def aws() -> Iterator[Aws]:
    aws = Aws()
    yield aws
    aws.end()


@pytest.fixture
def environment(postgres: Any, aws: Aws, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of a scheduler with a migrated database."""
    postgres.execute(
        "CREATE ROLE scheduler LOGIN PASSWORD 'first';\n"
        "CREATE DATABASE scheduler OWNER scheduler;\n"
    )
    url = f"postgresql+psycopg2://scheduler:first@127.0.0.1:{postgres.port}/scheduler"
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(SOURCE),
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": url,
        "AIRFLOW__CELERY__RESULT_BACKEND": f"db+{url}",
        # There is no health check here, and the port may be in use.
        "AIRFLOW__SCHEDULER__ENABLE_HEALTH_CHECK": "False",
        "AIRFLOW__SECRETS__BACKEND": "",
        "AWS_ENDPOINT_URL": aws.url,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "NO_PROXY": "127.0.0.1",
        "COMPONENT": "scheduler",
        "STACK_NAME": "stack",
        "STATE_BUCKET_NAME": "state",
    }
    configuration.apply(environment)
    _run(environment, "airflow", "db", "migrate")
    yield environment
    postgres.execute("DROP DATABASE scheduler WITH (FORCE);\nDROP ROLE scheduler;\n")


def _run(environment: dict[str, str], *arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *arguments], env=environment, capture_output=True, text=True,
        check=False, timeout=MOST_SECONDS,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def _add_history(url: str, due: datetime) -> None:
    """A DAG whose run of yesterday had three parallel tasks, and whose next run is due then."""
    from sqlalchemy import create_engine
    from sqlalchemy.orm import Session
    from test_forecast_history import add_dag, add_run, sql

    engine = create_engine(url)
    with Session(engine) as session:
        session.execute(sql("INSERT INTO dag_bundle (name) VALUES ('releases')"))
        session.execute(sql("ALTER TABLE task_instance ALTER dag_version_id DROP NOT NULL"))
        add_dag(session, "nightly", due=due)
        add_run(session, "nightly", due - timedelta(days=1), [(1.0, 60.0)] * 3)
        session.commit()
    engine.dispose()


def test_scheduler_publishes_a_forecast_and_invokes_the_scaler_when_a_run_is_due_soon(
    environment: dict[str, str], aws: Aws, tmp_path: Path
) -> None:
    due = datetime.now(UTC).replace(microsecond=0) + timedelta(minutes=10)
    _add_history(environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"], due)
    log = tmp_path / "scheduler.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "airflow_on_fargate.component", "scheduler"],
            env=environment, stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            announced = aws.wait_for(2)
        finally:
            process.terminate()
            process.wait(MOST_SECONDS)

    assert announced, log.read_text()[-4000:]
    (put, path, body), (post, function, event) = aws.asked[:2]
    assert (put, path.partition("?")[0]) == ("PUT", "/state/fleet/forecast.json")
    (run,) = json.loads(body)["runs"]
    assert (run["slots"], run["queue"]) == (3, "default")
    assert 0 <= due.timestamp() - run["due"] < 10
    assert (post, function) == ("POST", "/2015-03-31/functions/stack-scale-workers/invocations")
    assert event == b"{}"
