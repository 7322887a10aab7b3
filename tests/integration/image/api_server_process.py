"""The API server as a container runs it, with users in a database, behind a load balancer."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from waiting import PATIENCE_SECONDS

from airflow_on_fargate import configuration

SOURCE = Path(configuration.__file__).parents[1]
PROGRAM = [sys.executable, "-m", "airflow_on_fargate.entrypoint"]
# As the load balancer behind CloudFront sends them.
FORWARDED = {
    "X-Forwarded-For": "203.0.113.9",
    "X-Forwarded-Proto": "http",
    "X-Forwarded-Port": "80",
}


# Every worker has this key too.
WORKERS_KEY = "s" * 64
SESSION_KEY = "f" * 64
# Signs the tokens of users and of tasks.
TOKEN_KEY = "j" * 64


class Server:
    def __init__(self, port: int, log: Path) -> None:
        self.port, self.log = port, log

    def ask(self, target: str, headers: dict[str, str]) -> tuple[int, list[str]]:
        """One request, exactly as written; the status and the headers of the answer."""
        return self.send(f"GET {target}", headers)

    def send(
        self, method_and_target: str, headers: dict[str, str], body: str = ""
    ) -> tuple[int, list[str]]:
        status, received, _ = self.exchange(method_and_target, headers, body)
        return status, received

    def exchange(
        self, method_and_target: str, headers: dict[str, str], body: str = ""
    ) -> tuple[int, list[str], str]:
        lines = [f"{method_and_target} HTTP/1.1", "Host: airflow.example.com", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        lines += [f"Content-Length: {len(body)}"] if body else []
        with socket.create_connection(
            ("127.0.0.1", self.port), timeout=PATIENCE_SECONDS
        ) as connection:
            connection.sendall(("\r\n".join(lines) + "\r\n\r\n" + body).encode())
            answer = b""
            while block := connection.recv(65536):
                answer += block
        written, _, content = answer.partition(b"\r\n\r\n")
        head = written.decode("latin1").split("\r\n")
        return int(head[0].split()[1]), head[1:], content.decode(errors="replace")

    def ask_json(
        self, method_and_target: str, headers: dict[str, str], value: Any = None
    ) -> tuple[int, Any]:
        """A request with and for JSON; the status and the answer, which may be other text."""
        body = "" if value is None else json.dumps(value)
        sent = {**headers, "Content-Type": "application/json"} if body else headers
        status, _, text = self.exchange(method_and_target, sent, body)
        try:
            return status, json.loads(text)
        except ValueError:
            return status, text

    def token(self, username: str, password: str, forwarded: dict[str, str]) -> str:
        """What a user gets who signs in."""
        given = {"username": username, "password": password}
        status, answer = self.ask_json("POST /auth/token", forwarded, given)
        assert status == 201, answer
        found: str = answer["access_token"]
        return found


def environment_of(port: int, database_port: int, home: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(SOURCE),
        "AIRFLOW_HOME": str(home),
        "COMPONENT": "api-server",
        "AIRFLOW__API__BASE_URL": "https://airflow.example.com",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": (
            f"postgresql+psycopg2://served:first@127.0.0.1:{database_port}/served"
        ),
        "AIRFLOW__API__SECRET_KEY": WORKERS_KEY,
        "FLASK_SECRET_KEY": SESSION_KEY,
        "AIRFLOW__API_AUTH__JWT_SECRET": TOKEN_KEY,
        # Each is a separate interpreter, which has to be patched too.
        "AIRFLOW__API__WORKERS": "2",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__SECRETS__BACKEND": "",
        "ADMIN_USERNAME": "admin",
        "ADMIN_PASSWORD": "first",
        "AWS_DEFAULT_REGION": "us-east-1",
    }


@contextmanager
def database(postgres: Any, home: Path) -> Iterator[None]:
    """A database with the tables of Airflow and its first user."""
    postgres.execute(
        "CREATE ROLE served LOGIN PASSWORD 'first';\nCREATE DATABASE served OWNER served;\n"
    )
    environment = environment_of(1, postgres.port, home)
    for command in (["db", "migrate"], ["ensure-admin-user"]):
        done = subprocess.run([*PROGRAM, *command], env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    yield
    postgres.execute("DROP DATABASE served WITH (FORCE);\nDROP ROLE served;\n")


@contextmanager
def running(postgres: Any, home: Path) -> Iterator[Server]:
    """The server, as soon as it answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = environment_of(port, postgres.port, home)
    with (home / "log").open("w") as log:
        process = subprocess.Popen(
            [*PROGRAM, "api-server"], env=environment, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        found = Server(port, home / "log")
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not _answers(found):
            assert process.poll() is None, (home / "log").read_text()
            assert time.monotonic() < deadline, (home / "log").read_text()
            time.sleep(0.5)
        yield found
    finally:
        process.terminate()
        process.wait(300)


def _answers(server: Server) -> bool:
    try:
        return server.ask("/api/v2/version", {})[0] == 200
    except OSError:
        return False
