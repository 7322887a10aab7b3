"""The broker: what Celery and kombu are told about Valkey, and that SQS stays as it is."""

import ssl
import time
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_on_fargate.celery import broker
from airflow_on_fargate.contracts.wake_up import QueueCount

URL = {"AIRFLOW__CELERY__BROKER_URL": "rediss://:token@master.cache.amazonaws.com:6379/0"}
SQS = {"AIRFLOW__CELERY__BROKER_URL": "sqs://"}


def test_nothing_is_added_for_sqs() -> None:
    assert broker.settings_for(SQS) == {}
    assert broker.settings_for({}) == {}
    assert broker.connection_options(SQS) == {}


def test_certificate_and_name_of_the_server_are_checked() -> None:
    assert broker.settings_for(URL)["broker_use_ssl"] == {
        "ssl_cert_reqs": ssl.CERT_REQUIRED,
        "ssl_check_hostname": True,
    }


def test_authorities_can_be_named() -> None:
    options = broker.ssl_options({**URL, "BROKER_CA_FILE": "/certificates/ca.pem"})
    assert options and options["ssl_ca_certs"] == "/certificates/ca.pem"


def test_only_the_queues_of_the_stack_exist() -> None:
    settings = broker.settings_for({**URL, "WORKER_QUEUE_NAMES": "heavy,,light"})
    assert [queue.name for queue in settings["task_queues"]] == ["default", "heavy", "light"]
    assert settings["task_create_missing_queues"] is False


def test_publish_does_not_wait_for_a_lost_connection_without_end() -> None:
    options = broker.connection_options(URL)
    assert 0 < options["socket_timeout"] <= 30
    assert 0 < options["socket_connect_timeout"] <= 30


def celery(url: str) -> Any:
    return SimpleNamespace(broker_url=url, broker_transport_options={"visibility_timeout": 5})


def test_worker_keeps_its_messages_in_the_place_of_its_queue() -> None:
    configuration = celery("rediss://:token@valkey:6379/0")
    broker.hold_apart(configuration, ["heavy"])
    assert configuration.broker_transport_options == {
        "visibility_timeout": 5,
        "unacked_key": "unacked:heavy",
        "unacked_index_key": "unacked_index:heavy",
        "unacked_mutex_key": "unacked_mutex:heavy",
    }


def test_worker_of_sqs_has_no_such_places() -> None:
    configuration = celery("sqs://")
    broker.hold_apart(configuration, ["heavy"])
    assert configuration.broker_transport_options == {"visibility_timeout": 5}


class Server:
    """Valkey's answers to the counts, by key."""

    def __init__(self, **keys: int) -> None:
        self.keys = {name.replace("__", ":"): number for name, number in keys.items()}
        self.answers: list[int] = []
        self.bounds: list[float] = []

    def pipeline(self, transaction: bool) -> "Server":
        return self

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        self.answers = []

    def llen(self, key: str) -> None:
        self.answers.append(self.keys.get(key, 0))

    hlen = llen

    def zcount(self, key: str, least: float, most: float) -> None:
        self.bounds.append(most)
        self.llen(key)

    def execute(self) -> list[int]:
        return self.answers


def test_messages_are_counted_by_queue() -> None:
    server = Server(default=3, unacked__default=2, unacked__heavy=8)
    assert broker.count(server, ["default", "heavy", "light"], 43200) == {
        "default": QueueCount(3, 2),
        "heavy": QueueCount(0, 8),
        "light": QueueCount(0, 0),
    }


def test_message_of_a_dead_worker_waits_when_its_visibility_timeout_is_over() -> None:
    server = Server(default=1, unacked__default=5, unacked_index__default=2)
    assert broker.count(server, ["default"], 100) == {"default": QueueCount(3, 3)}
    assert server.bounds[0] == pytest.approx(time.time() - 100, abs=60)


def test_counts_are_never_negative() -> None:
    server = Server(unacked__default=0, unacked_index__default=1)
    assert broker.count(server, ["default"], 100) == {"default": QueueCount(0, 0)}
