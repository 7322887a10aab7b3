"""The part of the execution API that a task needs, and when each task used it."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

RUN_ID = "bench"


class ExecutionApi(ThreadingHTTPServer):
    """Admits every task. Moments are those of `time.monotonic`."""

    daemon_threads = True

    def __init__(self, context: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.context = context
        self.running: dict[str, float] = {}
        self.ended: dict[str, float] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/execution/"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ExecutionApi

    def do_PATCH(self) -> None:
        _, _, task, verb = self.path.strip("/").split("/")
        if verb == "run":
            self.server.running[task] = time.monotonic()
            self._answer(200, self.server.context)
            return
        if verb == "state":
            self.server.ended[task] = time.monotonic()
        self._answer(204)

    def do_PUT(self) -> None:
        self._answer(204)

    def _answer(self, status: int, body: bytes = b"") -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Nothing is printed."""


@contextmanager
def execution_api() -> Iterator[ExecutionApi]:
    server = ExecutionApi(_context())
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def _context() -> bytes:
    """What the API answers when a task starts."""
    from airflow.api_fastapi.execution_api.datamodels.taskinstance import TIRunContext

    moment = "2026-01-01T00:00:00Z"
    run = {
        "dag_id": "bench_worker",
        "run_id": RUN_ID,
        "logical_date": moment,
        "data_interval_start": moment,
        "data_interval_end": moment,
        "run_after": moment,
        "start_date": moment,
        "end_date": None,
        "run_type": "manual",
        "state": "running",
        "consumed_asset_events": [],
        "partition_key": None,
    }
    context = TIRunContext.model_validate({"dag_run": run, "max_tries": 0})
    return context.model_dump_json().encode()
