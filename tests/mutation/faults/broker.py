"""Faults of the broker Valkey."""

from tests.mutation.mutant import Mutant

_SOURCE = "images/airflow/src/airflow_on_fargate"
_WORKERS = (("tests/integration/image/test_valkey.py",),)

FAULTS = (
    Mutant(
        "busy-worker-that-seems-idle-after-a-failover",
        f"{_SOURCE}/worker/bootstep.py",
        "len({*celery_state.reserved_requests, *celery_state.active_requests})",
        "len(celery_state.reserved_requests)",
        "a failover of Valkey ends the tasks that run",
    ),
    Mutant(
        "gate-that-leaves-an-answer-unread",
        f"{_SOURCE}/worker/polls.py",
        "consumer.task_consumer.channel._brpop_start = lambda timeout=None: None",
        "pass",
        "a worker that exits takes a message with it",
    ),
    Mutant(
        "held-messages-in-one-place",
        f"{_SOURCE}/worker/__init__.py",
        '            broker.hold_apart(conf, (options or {}).get("queues") or ())\n',
        "            pass\n",
        "messages that workers hold are counted nowhere, and their worker is started twice",
        tests=_WORKERS,
    ),
    Mutant(
        "server-that-nobody-verifies",
        f"{_SOURCE}/celery/broker.py",
        '"ssl_cert_reqs": ssl.CERT_REQUIRED',
        '"ssl_cert_reqs": ssl.CERT_NONE',
        "a server in the place of Valkey reads the token and the messages",
    ),
    Mutant(
        "overdue-messages-count-as-held",
        f"{_SOURCE}/celery/broker.py",
        "QueueCount(waiting + given_up, held - given_up)",
        "QueueCount(waiting, held)",
        "no worker starts for the message of a dead one",
    ),
    Mutant(
        "counts-that-nobody-renews",
        f"{_SOURCE}/celery/queue_counts.py",
        "if counts != self._written or old:",
        "if counts != self._written:",
        "five minutes into a long task its message counts as gone",
    ),
    Mutant(
        "waiting-messages-that-nobody-reports-again",
        f"{_SOURCE}/celery/queue_counts.py",
        "elif now - self._notified_at >= RENEWAL_SECONDS:",
        "elif False:",
        "a lost call of the scaler leaves tasks queued for an hour",
    ),
    Mutant(
        "old-counts-that-start-workers",
        "functions/contracts/wake_up.py",
        "if now - self.counted_at > LIFETIME_SECONDS:",
        "if False:",
        "without a scheduler, workers start again and again for messages that are gone",
    ),
    Mutant(
        "broker-changed-under-running-workers",
        "functions/preflight/preflight.py",
        "return [running_workers_problem(former_broker, count)] if count else []",
        "return []",
        "a change of the broker ends running tasks",
    ),
    Mutant(
        "isolated-queue-on-valkey",
        "functions/preflight/checks/broker.py",
        "    if isolated:\n",
        "    if False:\n",
        "every worker reads the messages of an isolated queue",
    ),
    Mutant(
        "doctor-that-looks-for-queues-of-sqs",
        "functions/doctor/handler.py",
        "        if settings.queue_url\n        else S3QueueCounts",
        "        if True\n        else S3QueueCounts",
        "the doctor of a healthy deployment with Valkey reports missing queues",
    ),
    Mutant(
        "broker-without-tls",
        "nested/broker-redis.yaml",
        "      TransitEncryptionMode: required\n",
        "      TransitEncryptionMode: preferred\n",
        "connections without TLS are accepted",
    ),
    Mutant(
        "messages-evicted",
        "nested/broker-redis.yaml",
        "maxmemory-policy: noeviction",
        "maxmemory-policy: allkeys-lru",
        "a full node removes queues",
    ),
)
