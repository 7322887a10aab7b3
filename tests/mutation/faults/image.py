"""Faults in the image."""

from tests.mutation.mutant import Mutant

_SOURCE = "images/airflow/src/airflow_on_fargate"

FAULTS = (
    Mutant(
        "limit-for-workers-that-do-not-wait",
        f"{_SOURCE}/celery/result_backend.py",
        "NO_LIMIT if _has_former(connection) else MOST_CONNECTIONS",
        "MOST_CONNECTIONS",
        "a worker of the former version loses the end states of tasks",
        tests=(("tests/integration/image/test_result_backend.py",),),
    ),
    Mutant(
        "rights-of-results-taken-before-they-are-given",
        f"{_SOURCE}/celery/result_backend.py",
        "FROM {users}; GRANT INSERT",
        'FROM {users}", f"GRANT INSERT',
        "each deployment loses the end states that workers report at that moment",
        tests=(("tests/integration/image/test_result_backend.py",),),
    ),
    Mutant(
        "isolated-queue-runs-any-file",
        f"{_SOURCE}/patches/worker/folder_of_queue.py",
        "return _fail(reason, **named) if reason else original(**named)",
        "return original(**named)",
        "a DAG file of another team runs with the role of an isolated queue",
    ),
    Mutant(
        "wrong-path-of-health-check",
        f"{_SOURCE}/health.py",
        "{path}/api/v2/version",
        "{path}/api/v2/health",
        "ECS replaces every API server",
    ),
    Mutant(
        "waiting-is-unhealthy",
        f"{_SOURCE}/health.py",
        "if waiting is not None and waiting <= MAX_WAIT_AGE_SECONDS:",
        "if waiting is not None and waiting > MAX_WAIT_AGE_SECONDS:",
        "a slow migration becomes a failed deployment",
    ),
    Mutant(
        "triggerer-does-not-wait",
        f"{_SOURCE}/entrypoint.py",
        'frozenset({"api-server", "scheduler", "dag-processor", "triggerer"})',
        'frozenset({"api-server", "scheduler", "dag-processor"})',
        "during an upgrade the triggerer exits again and again",
    ),
    Mutant(
        "claimed-address",
        f"{_SOURCE}/api_server/load_balancer.py",
        "addresses[-min(hops, len(addresses))]",
        "addresses[0]",
        "a client chooses the address that is logged and limited",
    ),
    Mutant(
        "any-class-is-a-trigger",
        f"{_SOURCE}/patches/triggerer/classes.py",
        "isinstance(found, type) and issubclass(found, BaseTrigger)",
        "isinstance(found, type)",
        "a task runs a class such as Popen in the triggerer",
        tests=(("tests/unit/image/patches/test_trigger_classes.py",),),
    ),
    Mutant(
        "acknowledged-early",
        f"{_SOURCE}/configuration.py",
        '"AIRFLOW__CELERY__TASK_ACKS_LATE": "True"',
        '"AIRFLOW__CELERY__TASK_ACKS_LATE": "False"',
        "tasks of a lost worker are lost, and the queue does not show what runs",
    ),
    Mutant(
        "prefetch",
        f"{_SOURCE}/configuration.py",
        '"AIRFLOW__CELERY__WORKER_PREFETCH_MULTIPLIER": "1"',
        '"AIRFLOW__CELERY__WORKER_PREFETCH_MULTIPLIER": "4"',
        "tasks wait in a busy worker while others are idle",
    ),
    Mutant(
        "visibility-of-an-hour",
        f"{_SOURCE}/configuration.py",
        '"AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__VISIBILITY_TIMEOUT": "43200"',
        '"AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__VISIBILITY_TIMEOUT": "3600"',
        "SQS delivers a task again that has run for an hour",
    ),
    Mutant(
        "no-drain-object",
        f"{_SOURCE}/configuration.py",
        "if component == names.WORKER and bucket:",
        "if component == names.SCHEDULER and bucket and False:",
        "workers never drain: a deployment leaves the old image running",
    ),
    Mutant(
        "leaves-with-an-open-poll",
        f"{_SOURCE}/worker/lifecycle.py",
        "if seen.open_polls and seen.now - self._closed_at < POLL_LIMIT_SECONDS:",
        "if seen.open_polls and seen.now - self._closed_at > POLL_LIMIT_SECONDS:",
        "a message is delivered to a worker that has left, and stays hidden for twelve hours",
    ),
    Mutant(
        "drain-is-no-reason",
        f"{_SOURCE}/worker/lifecycle.py",
        "        if seen.drain_wanted:\n            return Reason.DRAIN\n",
        "",
        "a worker of an old revision continues until it is idle",
    ),
    Mutant(
        "no-time-to-report",
        f"{_SOURCE}/worker/lifecycle.py",
        "TERMINATION_GRACE_SECONDS: Final = 95.0",
        "TERMINATION_GRACE_SECONDS: Final = 119.0",
        "ECS kills the worker before it has reported its tasks as failed",
        tests=(("tests/templates/test_times.py",),),
    ),
    Mutant(
        "drains-on-an-error",
        f"{_SOURCE}/worker/drain_watch.py",
        '            log.warning("The drain object could not be read: %s", error)\n'
        "            return\n",
        '            log.warning("The drain object could not be read: %s", error)\n'
        "            self.drain_wanted = True\n            return\n",
        "an outage of S3 drains the whole fleet",
    ),
    Mutant(
        "files-not-touched-again",
        f"{_SOURCE}/releases/bundle.py",
        "        self._touch(self._touch_again)\n        self._touch_again = []\n",
        "        self._touch_again = []\n",
        "a DAG that was parsed during the switch stays old until it changes again",
    ),
    Mutant(
        "lease-after-the-folder",
        f"{_SOURCE}/releases/bundle.py",
        "        lease.acquire()\n        try:\n            if not self._cache.has(release):\n"
        "                with self.lock():\n"
        "                    self._cache.materialise(release)\n",
        "        try:\n            if not self._cache.has(release):\n"
        "                with self.lock():\n"
        "                    self._cache.materialise(release)\n            lease.acquire()\n",
        "Airflow's clean-up removes a folder that a task is about to use",
    ),
    Mutant(
        "writable-release",
        f"{_SOURCE}/releases/cache.py",
        "_READ_ONLY = 0o444",
        "_READ_ONLY = 0o644",
        "a DAG that writes into its folder changes other releases",
    ),
    Mutant(
        "snapshot-after-the-pause",
        f"{_SOURCE}/schema/change.py",
        "        self.snapshot()\n        self.quiescence.begin()\n",
        "        self.quiescence.begin()\n        self.snapshot()\n",
        "Airflow stands still for as long as the snapshot takes",
    ),
    Mutant(
        "migrates-while-services-run",
        f"{_SOURCE}/schema/change.py",
        '        self.quiescence.begin()\n        self.airflow(("db", "migrate"))\n        return '
        'f"Migrated',
        '        self.airflow(("db", "migrate"))\n        self.quiescence.begin()\n        return '
        'f"Migrated',
        "the old services work on the new schema",
    ),
    Mutant(
        "counts-after-the-stop",
        f"{_SOURCE}/schema/quiescence.py",
        "        self._state.remember_quiesced(QuiescedNote(self._identity.task_arn, counts))\n"
        "        for group in ORDER:",
        "        for group in ORDER:",
        "nobody knows how many tasks the services had",
    ),
    Mutant(
        "encoded-execution-path",
        f"{_SOURCE}/api_server/load_balancer.py",
        "        decoded = unquote(path)\n",
        "        decoded = path\n",
        "/%65xecution/ reaches the execution API through the load balancer",
    ),
    Mutant(
        "wake-up-at-every-task",
        f"{_SOURCE}/celery/wakeup.py",
        "            time.sleep(max(0.0, self._pause - (time.monotonic() - started)))\n",
        "            pass\n",
        "a thousand tasks call the scaler a thousand times",
        tests=(("tests/unit/image/celery",),),
    ),
    Mutant(
        "turn-not-taken",
        f"{_SOURCE}/database/turn.py",
        '            connection.execute(text("SELECT pg_advisory_lock(:key)"), key)\n',
        "            pass\n",
        "two commands change the schema at the same time",
        tests=(("tests/integration/image/test_database_turn.py",),),
    ),
    Mutant(
        "runs-as-root",
        "images/airflow/Dockerfile",
        "USER 50000:50000\n",
        "",
        "DAGs run as root",
    ),
    Mutant(
        "links-into-nothing",
        "images/airflow/Dockerfile",
        "cp --recursive --dereference /build/images/airflow/src/.",
        "cp --recursive /build/images/airflow/src/.",
        "the shared formats are links to files that the image does not have",
    ),
    Mutant(
        "not-compiled",
        "images/airflow/Dockerfile",
        "--compile-bytecode --no-build --require-hashes",
        "--no-build --require-hashes",
        "the first task of every worker waits three seconds longer",
    ),
)
