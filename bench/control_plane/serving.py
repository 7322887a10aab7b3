"""What is measured of one api-server: an open UI, and the heartbeats of running tasks.

First the load of one open list of DAGs and 100 tasks, as often as Airflow's UI and workers send
it; then as many requests of each kind as are answered.
"""

import http.client
import json
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

from bench.container import Container
from bench.control_plane.deployment import Deployment, free_port
from bench.control_plane.records import Limits, ServerRecord, note_load

TASKS: Final = 100
# [workers] min_heartbeat_interval and [api] auto_refresh_interval.
HEARTBEAT_SECONDS: Final = 5.0
REFRESH_SECONDS: Final = 3.0
# What the list of DAGs asks for.
PAGE: Final = (
    "/ui/dags?limit=50&offset=0&dag_runs_limit=14&exclude_stale=true&order_by=dag_display_name",
    "/ui/dashboard/dag_stats",
    "/api/v2/importErrors?limit=1",
)
_CLIENTS: Final = 4
_FULL_LOAD_SECONDS: Final = 20.0
_USER = ("bench", "bench")
_TOKENS = """
import json, sys
from airflow.executors.base_executor import BaseExecutor
generator = BaseExecutor().jwt_generator
print("TOKENS " + json.dumps({each: generator.generate({"sub": each}) for each in sys.argv[1:]}))
"""


class _Client:
    """One connection, which is kept."""

    def __init__(self, port: int, token: str = "") -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._headers = {"Content-Type": "application/json"}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"

    def ask(self, method: str, path: str, value: object = None) -> tuple[int, bytes]:
        body = None if value is None else json.dumps(value)
        try:
            self._connection.request(method, path, body, self._headers)
            answer = self._connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            self._connection.close()
            return 0, b""


class _Load:
    """Requests at an interval, or one after the other, and how long each took."""

    def __init__(self) -> None:
        self._ended = threading.Event()
        self._threads: list[threading.Thread] = []
        self.seconds: list[float] = []
        self.failed = 0

    def add(self, request: Callable[[], int], interval: float = 0.0, first: float = 0.0) -> None:
        def repeat() -> None:
            due = time.monotonic() + first
            while not self._ended.wait(max(0.0, due - time.monotonic())):
                started = time.monotonic()
                status = request()
                self.seconds.append(time.monotonic() - started)
                self.failed += not 200 <= status < 300
                # A late answer does not cause a burst of requests.
                due = max(due + interval, time.monotonic()) if interval else 0.0

        self._threads.append(threading.Thread(target=repeat))

    def run(self, container: Container, seconds: float) -> float:
        """Returns the CPU seconds that the container used."""
        for thread in self._threads:
            thread.start()
        used = container.sleep(seconds)
        self._ended.set()
        for thread in self._threads:
            thread.join()
        return used

    @property
    def p95(self) -> float | None:
        found = sorted(self.seconds)
        return found[int(len(found) * 0.95)] if found else None


def measure_server(deployment: Deployment, files: int, limits: Limits) -> ServerRecord:
    """Start, sign in, make tasks that count as running, then the loads."""
    container = Container(f"{deployment.system}-api-server", limits.cpu_units, limits.mebibytes)
    record = ServerRecord(deployment.system, files, limits.cpu_units, container.is_limited)
    name, password = _USER
    deployment.run(
        "-m", "airflow", "users", "create", "--username", name, "--password", password,
        "--role", "Admin", "--email", "bench@example.com", "--firstname", "b", "--lastname", "b",
    )  # fmt: skip
    port = free_port()
    folder = deployment.folder
    try:
        note_load(record.load)
        container.start(
            deployment.command("api-server", "--port", str(port)),
            deployment.environment, folder, folder / "log",
        )  # fmt: skip
        record.ready = container.wait(
            lambda: _Client(port).ask("GET", "/api/v2/version")[0] == 200, limits.patience_seconds
        )
        _Measurement(deployment, container, port, files, limits, record).run()
        note_load(record.load)
    finally:
        container.remove()
    record.peak_mebibytes = round(container.peak_mebibytes)
    return record


class _Measurement:
    def __init__(
        self,
        deployment: Deployment,
        container: Container,
        port: int,
        files: int,
        limits: Limits,
        record: ServerRecord,
    ) -> None:
        self._deployment = deployment
        self._container = container
        self._port = port
        self._files = files
        self._limits = limits
        self._record = record

    def run(self) -> None:
        record, container = self._record, self._container
        user = self._sign_in()
        tokens = self._running_tasks(user)
        heartbeats, pages = _Load(), _Load()
        for number, (task, token) in enumerate(tokens.items()):
            first = HEARTBEAT_SECONDS * number / len(tokens)
            heartbeats.add(self._heartbeat(task, token), HEARTBEAT_SECONDS, first)
        pages.add(self._page(user), REFRESH_SECONDS)
        beside = threading.Thread(target=pages.run, args=(container, self._limits.idle_seconds))
        beside.start()
        used = heartbeats.run(container, self._limits.idle_seconds)
        beside.join()
        record.cpu_of_load = used / self._limits.idle_seconds / (self._limits.cpu_units / 1024)
        record.heartbeat_p95, record.page_p95 = heartbeats.p95, pages.p95
        some = list(tokens.items())[:_CLIENTS]
        full = [self._heartbeat(task, token) for task, token in some]
        record.heartbeats_per_second, record.cpu_per_heartbeat = self._as_many(full)
        full = [self._page(user) for _ in range(_CLIENTS)]
        record.pages_per_second, record.cpu_per_page = self._as_many(full)
        record.failed += heartbeats.failed + pages.failed

    def _as_many(self, requests: Sequence[Callable[[], int]]) -> tuple[float, float]:
        load = _Load()
        for request in requests:
            load.add(request)
        used = load.run(self._container, _FULL_LOAD_SECONDS)
        self._record.failed += load.failed
        count = max(1, len(load.seconds))
        return count / _FULL_LOAD_SECONDS, used / count

    def _sign_in(self) -> str:
        name, password = _USER
        status, answer = _Client(self._port).ask(
            "POST", "/auth/token", {"username": name, "password": password}
        )
        if status != 201:
            raise RuntimeError(f"Signing in answered {status}: {answer!r}")
        return str(json.loads(answer)["access_token"])

    def _running_tasks(self, user: str) -> dict[str, str]:
        """Their ids and tokens; each is the first task of a run of its own."""
        client = _Client(self._port, user)
        self._deployment.query("UPDATE dag SET is_paused = false")
        for number in range(TASKS):
            path = f"/api/v2/dags/bench_{number % self._files:05}/dagRuns"
            value = {"dag_run_id": f"bench-{number}", "logical_date": None}
            status, answer = client.ask("POST", path, value)
            if status != 200:
                raise RuntimeError(f"Triggering a run answered {status}: {answer!r}")
        rows = self._deployment.query(
            "UPDATE task_instance SET state = 'running', hostname = 'bench', pid = 1,"
            " start_date = now(), try_number = 1 WHERE run_id LIKE 'bench-%%'"
            " AND task_id = 'extract' RETURNING id::text",
        )
        output = self._deployment.run("-c", _TOKENS, *(row[0] for row in rows))
        text = output.partition("TOKENS ")[2]
        tokens: dict[str, str] = json.loads(text.splitlines()[0])
        return tokens

    def _heartbeat(self, task: str, token: str) -> Callable[[], int]:
        client = _Client(self._port, token)
        path = f"/execution/task-instances/{task}/heartbeat"
        return lambda: client.ask("PUT", path, {"hostname": "bench", "pid": 1})[0]

    def _page(self, user: str) -> Callable[[], int]:
        client = _Client(self._port, user)

        def ask() -> int:
            return max(client.ask("GET", path)[0] or 599 for path in PAGE)

        return ask
