"""Workers on a real Valkey over TLS: they run tasks, drain, and lose none when they are killed.

Times that the tests give the workers are short; the templates' are longer.
"""

import json
import signal
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import valkey_workers
from celery.exceptions import QueueNotFound
from redis import exceptions
from valkey_workers import TOKEN, FlowerProcess, Workers, kill
from waiting import PATIENCE_SECONDS, eventually

from airflow_on_fargate.celery import broker
from airflow_on_fargate.contracts.wake_up import QueueCount
from tests.integration.image.test_tls import Authority

HOST = "localhost"


@pytest.fixture
def valkey(postgres: Any, tmp_path: Path) -> Iterator[Any]:
    """A server, behind TLS with the certificate of an authority. `postgres` can start processes."""
    from embedded_aws.elasticache.tls_front import TlsFront
    from embedded_aws.elasticache.valkey_server import ValkeyServer

    server = ValkeyServer(
        tmp_path / "valkey", TOKEN, {"maxmemory-policy": "noeviction"}, valkey_workers.program()
    )
    server.start()
    front = TlsFront(Authority(tmp_path, "authority").context(HOST), server.port)
    front.start()
    server.front = front  # type: ignore[attr-defined]
    yield server
    front.stop()
    server.destroy()


@pytest.fixture
def workers(valkey: Any, tmp_path: Path) -> Iterator[Workers]:
    url = f"rediss://:{TOKEN}@{HOST}:{valkey.front.port}/0"
    found = Workers(tmp_path, url, tmp_path / "authority.pem")
    yield found
    found.end()


def counts(workers: Workers, timeout: float = 43200.0) -> QueueCount:
    return broker.count(broker.connect(workers.settings()), ["default"], timeout)["default"]


def test_server_is_verified_and_asks_for_the_token(
    workers: Workers, valkey: Any, tmp_path: Path
) -> None:
    port = valkey.front.port
    assert broker.connect(workers.settings()).ping()

    Authority(tmp_path, "another")
    with pytest.raises(exceptions.ConnectionError, match="CERTIFICATE_VERIFY_FAILED"):
        broker.connect(
            workers.settings(**{broker.AUTHORITIES: str(tmp_path / "another.pem")})
        ).ping()
    by_address = f"rediss://:{TOKEN}@127.0.0.1:{port}/0"
    with pytest.raises((exceptions.ConnectionError, ssl.SSLError), match="not valid for"):
        broker.connect(workers.settings(AIRFLOW__CELERY__BROKER_URL=by_address)).ping()
    wrong = f"rediss://:another-token-here@{HOST}:{port}/0"
    with pytest.raises(exceptions.AuthenticationError):
        broker.connect(workers.settings(AIRFLOW__CELERY__BROKER_URL=wrong)).ping()
    without_tls = f"redis://:{TOKEN}@{HOST}:{port}/0"
    with pytest.raises(exceptions.ConnectionError):
        broker.connect(workers.settings(AIRFLOW__CELERY__BROKER_URL=without_tls)).ping()


def test_task_of_a_queue_that_does_not_exist_is_refused(workers: Workers) -> None:
    with pytest.raises(QueueNotFound):
        workers.publisher().send_task("loop.work", (1, 0.0), queue="nowhere")


def test_worker_runs_tasks_survives_a_failover_and_exits_when_idle(
    workers: Workers, valkey: Any
) -> None:
    publisher = workers.publisher()
    publisher.send_task("loop.work", (1, 10.0), queue="default")
    publisher.send_task("loop.work", (2, 0.0), queue="heavy")
    assert counts(workers) == QueueCount(1, 0)

    worker = workers.start(WORKER_IDLE_TIMEOUT_SECONDS="3")
    eventually(lambda: workers.runs() == [1])
    # The message of a running task is held, in the place of its queue.
    assert counts(workers) == QueueCount(0, 1)
    # Remote control is on, and does not show arguments, which hold tokens.
    ((_, (active,)),) = publisher.control.inspect(timeout=5.0).active().items()
    assert (active["name"], active["args"]) == ("loop.work", "(hidden)")

    # A failover: connections break, and the other node is empty. Celery forgets what it cannot
    # acknowledge any more, but the task runs for longer than an idle worker would stay.
    valkey.stop()
    valkey.front.drop_connections()
    valkey.start()
    workers.publisher().send_task("loop.work", (3, 0.0), queue="default")
    assert worker.wait(PATIENCE_SECONDS) == 0, workers.log(worker)

    assert workers.runs() == [1, 3]
    log = workers.log(worker)
    assert log.count("succeeded in") == 2, log
    assert log.rindex("succeeded in") < log.index("-> leaving (idle)")
    assert counts(workers) == QueueCount(0, 0)


def test_message_of_a_killed_worker_is_delivered_again_and_a_draining_one_takes_none(
    workers: Workers,
) -> None:
    timeout = {"AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__VISIBILITY_TIMEOUT": "5"}
    publisher = workers.publisher(**timeout)
    publisher.send_task("loop.work", (1, 2.0), queue="default")
    first = workers.start(**timeout)
    eventually(lambda: workers.runs() == [1])
    kill(first)
    # Held, until the visibility timeout is over: then it waits, so that a worker starts.
    assert counts(workers, timeout=5.0) == QueueCount(0, 1)
    eventually(lambda: counts(workers, timeout=5.0) == QueueCount(1, 0))

    second = workers.start(**timeout)
    eventually(lambda: workers.runs() == [1, 1])
    second.send_signal(signal.SIGTERM)
    eventually(lambda: "-> closing (termination)" in workers.log(second))
    publisher.send_task("loop.work", (2, 0.0), queue="default")
    # It finishes its task and leaves the message to others.
    assert second.wait(PATIENCE_SECONDS) == 0, workers.log(second)
    assert workers.runs() == [1, 1]
    assert counts(workers) == QueueCount(1, 0)


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        found: int = probe.getsockname()[1]
        return found


def test_flower_asks_for_its_password_is_read_only_and_shows_no_arguments(
    workers: Workers, port: int
) -> None:
    flower = FlowerProcess(workers, port, "generated")
    try:
        eventually(lambda: flower.answer("/healthcheck")[0] or flower.process.poll() is not None)
        assert flower.answer("/healthcheck") == (200, "OK"), flower.log()
        for path in ("/", "/tasks", "/workers", "/api/workers", "/api/tasks"):
            assert flower.answer(path)[0] == 401
            assert flower.answer(path, "another")[0] == 401
        assert flower.answer("/metrics")[0] == flower.answer("/metrics", "generated")[0] == 404
        assert "Flower" in flower.answer("/", "generated")[1]

        workers.publisher().send_task("loop.work", (1, 61.25), queue="default")
        workers.start()
        eventually(lambda: "loop.work" in flower.answer("/api/tasks", "generated")[1])
        assert "(hidden)" in flower.answer("/api/tasks", "generated")[1]
        # Flower asks the workers, which have a second for their answers.
        eventually(lambda: len(flower.answer("/api/workers?refresh=1", "generated")[1]) > 2)
        shown = flower.answer("/api/workers", "generated")[1]
        (name,) = json.loads(shown)
        assert "61.25" not in shown
        assert TOKEN not in shown
        assert flower.answer(f"/api/worker/shutdown/{name}", "generated", "POST")[0] == 403
    finally:
        kill(flower.process)


def test_flower_does_not_start_without_a_password(workers: Workers, port: int) -> None:
    flower = FlowerProcess(workers, port, "")
    try:
        assert flower.process.wait(PATIENCE_SECONDS) == 1
        assert "Flower cannot start. FLOWER_PASSWORD is not set" in flower.log()
    finally:
        kill(flower.process)
