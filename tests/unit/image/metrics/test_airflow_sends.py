"""Airflow knows the names of the list, and sends exactly them with the image's settings."""

import json
import multiprocessing
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from airflow_on_fargate import metrics
from airflow_on_fargate.contracts.metrics.series import SERIES, Kind
from airflow_on_fargate.metrics import collector as collector_module
from airflow_on_fargate.metrics.collector import Collector

# Measured by the image, not by Airflow.
OWN = {"queued.oldest", "worker.cpu", "worker.memory"}
TYPES = {"counter": Kind.COUNTER, "gauge": Kind.GAUGE, "timer": Kind.TIMER}


def registry() -> dict[str, str]:
    import airflow._shared.observability.metrics as package

    text = Path(package.__file__).with_name("metrics_template.yaml").read_text()
    return {each["name"]: each["type"] for each in yaml.safe_load(text)["metrics"]}


def test_airflow_has_every_series_of_the_list_with_this_kind() -> None:
    known = registry()

    for each in SERIES:
        if each.source not in OWN:
            assert TYPES[known[each.source]] is each.kind, each.source


def test_list_has_30_series_because_each_costs() -> None:
    assert len(SERIES) == 30
    assert len({each.name for each in SERIES}) == len({each.source for each in SERIES}) == 30


@pytest.fixture
def receiver() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as found:
        found.bind(("127.0.0.1", 0))
        found.settimeout(5)
        yield found


def configure(monkeypatch: pytest.MonkeyPatch, port: int) -> Any:
    """Airflow's own factory of its client, with the settings of the image."""
    for name, value in metrics.airflow_settings(port).items():
        monkeypatch.setenv(name, value)
    from airflow.observability.metrics import stats_utils

    return stats_utils.get_stats_factory()


def test_airflow_sends_the_series_of_the_list_and_no_others(
    receiver: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow._shared.observability.metrics import stats

    port = receiver.getsockname()[1]
    monkeypatch.setattr(stats, "_factory", configure(monkeypatch, port))
    monkeypatch.setattr(stats, "_backend", None)
    monkeypatch.setattr(stats, "_export_legacy_names", False)
    stats.incr("dag_processing.processes", tags={"file_path": "a", "action": "start"})
    stats.gauge("dagbag_size", 3)
    stats.incr("ti_failures", tags={"dag_id": "a,b", "task_id": "c=d", "run_id": "e"})
    stats.gauge("pool.open_slots", 5, tags={"pool_name": "default_pool"})
    stats.timing("dagrun.schedule_delay", 12.5, tags={"dag_id": "a"})
    sent = [receiver.recv(1000).decode() for _ in range(3)]
    receiver.setblocking(False)

    assert sent == [
        "airflow.ti_failures:1|c",
        "airflow.pool.open_slots:5|g",
        "airflow.dagrun.schedule_delay:12.500000|ms",
    ]
    with pytest.raises(BlockingIOError):
        receiver.recv(1000)


def test_nothing_is_started_unless_the_container_asks_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("EMIT_METRICS", "false")
    metrics.install("scheduler")

    assert "AIRFLOW__METRICS__STATSD_PORT" not in os.environ


def _send(port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.sendto(b"airflow.ti_successes:1|c", ("127.0.0.1", port))


def test_packets_of_forked_processes_become_one_line_of_the_containers_output(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The output of a task's process is its log, so that it could not write lines itself."""
    reading, writing = os.pipe()
    monkeypatch.setattr(collector_module, "_STDOUT", writing)
    collector = Collector("worker", "airflow", seconds=1.5)
    collector.add_probe(lambda: {"worker.cpu": 40.0})
    port = collector.start()
    for _ in range(2):
        child = multiprocessing.get_context("fork").Process(target=_send, args=(port,))
        child.start()
        child.join()
    line = json.loads(os.read(reading, 5000))
    collector.end()

    assert (line["Stack"], line["component"]) == ("airflow", "worker")
    assert (line["TaskSuccesses"], line["WorkerCpu"]) == (2, 40)


def test_value_that_cannot_be_measured_hinders_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> dict[str, float]:
        raise OSError("no answer")

    reading, writing = os.pipe()
    monkeypatch.setattr(collector_module, "_STDOUT", writing)
    collector = Collector("worker", "airflow", seconds=0.2)
    collector.add_probe(broken)
    collector.add_probe(lambda: {"worker.memory": 50.0})
    _send(collector.start())
    line = json.loads(os.read(reading, 5000))
    collector.end()

    assert line["WorkerMemory"] == 50


def test_nothing_is_measured_before_airflow_has_sent_something(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A measurement imports Airflow, as the main thread does at the start: a deadlock."""
    reading, writing = os.pipe()
    monkeypatch.setattr(collector_module, "_STDOUT", writing)
    calls: list[float] = []

    def probe() -> dict[str, float]:
        calls.append(time.monotonic())
        return {}

    collector = Collector("scheduler", "airflow", seconds=0.1)
    collector.add_probe(probe)
    port = collector.start()
    time.sleep(0.5)
    before = list(calls)
    _send(port)
    os.read(reading, 5000)
    collector.end()

    assert before == []
    assert calls
