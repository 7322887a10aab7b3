"""Load the server of live logs when somebody reads a live log.

Before Airflow starts Celery, it loads FastAPI for that server: this takes time before the first
message, and every process of the worker keeps it in memory. Most logs are read when their task has
ended, from S3. With this patch a process listens at the port as before, and loads the server with
the first connection, which waits for it. The figures are in docs/upstream/starting-a-worker.md.
No upstream report is known.
"""

import logging
import multiprocessing
import select
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from airflow_on_fargate.patches import replace, require

log = logging.getLogger(__name__)

# uvicorn's own.
_BACKLOG: Final = 2048


def apply() -> None:
    """Take the place of what starts the server."""
    require("apache-airflow", "3.3.2", "3.2.2")
    require("apache-airflow-providers-celery", "3.26.0")
    from airflow.providers.celery.cli import celery_command

    replace(celery_command, "_serve_logs", _at_the_first_connection)


def _at_the_first_connection(_original: Any) -> Callable[..., Any]:
    @contextmanager
    def serve_logs(skip_serve_logs: bool = False) -> Iterator[None]:
        if skip_serve_logs:
            yield
            return
        process = multiprocessing.Process(target=_serve)
        process.start()
        try:
            yield
        finally:
            process.terminate()

    return serve_logs


def _serve() -> None:
    """As `airflow.utils.serve_logs.serve_logs`, but for the wait."""
    from airflow.configuration import conf
    from setproctitle import setproctitle

    setproctitle("airflow serve-logs")
    port = conf.getint("logging", "WORKER_LOG_SERVER_PORT")
    try:
        listening = _listening(port)
    except OSError as error:
        # On one machine several workers share the port, and the first one has it.
        log.error("Live logs of this worker cannot be read: port %d: %s", port, error)
        return
    with listening as listener:
        select.select([listener], [], [])
        import uvicorn

        config = uvicorn.Config(
            "airflow.utils.serve_logs.log_server:get_app",
            factory=True,
            log_level=conf.get("logging", "uvicorn_logging_level", fallback="info").lower(),
            log_config=None,
            access_log=False,
        )
        uvicorn.Server(config).run(sockets=[listener])


def _listening(port: int) -> socket.socket:
    if socket.has_dualstack_ipv6():
        return socket.create_server(
            ("", port), family=socket.AF_INET6, backlog=_BACKLOG, dualstack_ipv6=True
        )
    return socket.create_server(("", port), backlog=_BACKLOG)
