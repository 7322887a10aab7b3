"""The broker: SQS, or Valkey where AIRFLOW__CELERY__BROKER_URL says so.

Valkey speaks Redis's protocol, so kombu's Redis transport is used. What differs from SQS:

- the connection is encrypted, and the server proves that it is the one of the URL;
- kombu keeps the messages that workers hold in one place for all queues. Here each queue has a
  place of its own, so that its messages can be counted (`count`) without reading them;
- there is no server that gives back the message of a dead worker after the visibility timeout:
  another worker of the queue does, or the next one to start. `count` counts such a message as
  waiting, so that a worker starts.
"""

import os
import ssl
import time
from collections.abc import Iterable, Mapping
from typing import Any, Final

from kombu import Queue

from airflow_on_fargate.configuration import BROKER_URL, is_valkey
from airflow_on_fargate.contracts.queues import DEFAULT_QUEUE, further_queues
from airflow_on_fargate.contracts.wake_up import QueueCount

# A file of certificate authorities in place of the image's; for the embedded AWS.
AUTHORITIES: Final = "BROKER_CA_FILE"

# Without a time limit, a publish over a connection that a failover has cut waits without end.
_CONNECTION: Final = {
    "socket_timeout": 20.0,
    "socket_connect_timeout": 10.0,
    "socket_keepalive": True,
    # How often a worker gives back messages whose visibility timeout is over: by default it looks
    # only at every tenth occasion.
    "unacked_restore_throttle": 1,
}
_HELD: Final = "unacked"
_HELD_SINCE: Final = "unacked_index"


def settings_for(environment: Mapping[str, str]) -> dict[str, Any]:
    """What Celery's configuration needs besides the URL; nothing for SQS."""
    if not is_valkey(environment.get(BROKER_URL, "")):
        return {}
    names = queues_of(environment)
    return {
        "broker_use_ssl": ssl_options(environment),
        # Otherwise a task of a queue that does not exist would wait in a list that no worker reads.
        "task_queues": [Queue(name) for name in names],
        "task_create_missing_queues": False,
        # Flower turns them on after some seconds, too late for the first tasks of a worker.
        "worker_send_task_events": True,
    }


def queues_of(environment: Mapping[str, str]) -> tuple[str, ...]:
    """The queues of the stack."""
    return (DEFAULT_QUEUE, *further_queues(environment.get("WORKER_QUEUE_NAMES", "")))


def connection_options(environment: Mapping[str, str]) -> dict[str, Any]:
    """Options of kombu's Redis transport; nothing for SQS."""
    return dict(_CONNECTION) if is_valkey(environment.get(BROKER_URL, "")) else {}


def hide_arguments() -> None:
    """Leave the arguments of tasks out of what Celery reports about them.

    The argument of Airflow's task has the token with which the task calls the execution API. Celery
    puts the beginning of its text into events and into answers to `inspect`, which Flower shows.
    """
    from celery.signals import before_task_publish

    before_task_publish.connect(_hide_arguments, weak=False)


def _hide_arguments(headers: dict[str, Any] | None = None, **_: Any) -> None:
    if headers is not None:
        headers["argsrepr"], headers["kwargsrepr"] = "(hidden)", "{}"


def visibility_timeout(environment: Mapping[str, str]) -> float:
    """Seconds after which a message that a worker holds is delivered again."""
    return float(environment["AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__VISIBILITY_TIMEOUT"])


def ssl_options(environment: Mapping[str, str]) -> dict[str, Any] | None:
    """How the server's certificate is checked; None for a URL without TLS."""
    if not environment.get(BROKER_URL, "").startswith("rediss:"):
        return None
    options: dict[str, Any] = {"ssl_cert_reqs": ssl.CERT_REQUIRED, "ssl_check_hostname": True}
    # ElastiCache's certificates are issued by public authorities, which the image has.
    if authorities := environment.get(AUTHORITIES):
        options["ssl_ca_certs"] = authorities
    return options


def hold_apart(celery: Any, queues: Iterable[str]) -> None:
    """Let a worker keep the messages that it holds in the place of its queue, where that matters.

    `celery` is Celery's configuration. A worker of this stack has one queue.
    """
    if not is_valkey(celery.broker_url):
        return
    options = celery.broker_transport_options
    place = "+".join(sorted(queues)) or DEFAULT_QUEUE
    options["unacked_key"] = _place(_HELD, place)
    options["unacked_index_key"] = _place(_HELD_SINCE, place)
    options["unacked_mutex_key"] = _place("unacked_mutex", place)


def count(client: Any, queues: Iterable[str], visibility_timeout: float) -> dict[str, QueueCount]:
    """The messages of each queue. `client` is redis-py's."""
    names = list(queues)
    overdue = time.time() - visibility_timeout
    with client.pipeline(transaction=False) as pipeline:
        for name in names:
            # Airflow gives its messages no priority, so a queue is one list.
            pipeline.llen(name)
            pipeline.hlen(_place(_HELD, name))
            pipeline.zcount(_place(_HELD_SINCE, name), 0, overdue)
        found = [int(each) for each in pipeline.execute()]
    counts = {}
    for place, name in enumerate(names):
        waiting, held, given_up = found[3 * place : 3 * place + 3]
        # The two places of a held message are not changed at the same moment.
        given_up = min(given_up, held)
        counts[name] = QueueCount(waiting + given_up, held - given_up)
    return counts


def connect(environment: Mapping[str, str] = os.environ) -> Any:
    """A client of redis-py for the broker of this environment."""
    import redis

    options = ssl_options(environment) or {}
    # In a URL, redis-py reads the names of these options and not their values' types.
    return redis.Redis.from_url(
        environment[BROKER_URL],
        socket_timeout=5.0,
        socket_connect_timeout=5.0,
        health_check_interval=25,
        **options,
    )


def _place(kind: str, queue: str) -> str:
    return f"{kind}:{queue}"
