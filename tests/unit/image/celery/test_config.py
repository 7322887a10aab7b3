"""The Celery configuration, and what the life cycle uses of Celery and kombu."""

import ast
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from celery.worker import state as celery_state
from kombu.transport.virtual import QoS

import airflow_on_fargate
from airflow_on_fargate import configuration, heartbeat
from airflow_on_fargate.worker import bootstep
from airflow_on_fargate.worker.lifecycle import Action
from airflow_on_fargate.worker.polls import SqsPolls

SOURCE = Path(airflow_on_fargate.__file__).parents[1]

PRINT = """
from airflow.providers.celery.executors.celery_executor_utils import (
    app, create_celery_app, get_celery_configuration)
from airflow.configuration import conf
from celery.signals import after_task_publish, celeryd_init
scheduler = create_celery_app(conf)
for side, celery in (("worker", app), ("scheduler", scheduler)):
    print(side, celery.conf.database_engine_options["poolclass"].__name__,
          celery.conf.broker_url, celery.conf.task_acks_late,
          celery.conf.broker_transport_options["visibility_timeout"],
          celery.conf.worker_enable_remote_control, type(celery.backend).__name__)
print("publish", "on_publish" in repr(after_task_publish.receivers))
print("init", len(celeryd_init.receivers) > 0)
"""


@pytest.mark.parametrize("function", ["", "stack-scale-workers"])
def test_worker_and_scheduler_use_the_configuration(tmp_path: Path, function: str) -> None:
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(SOURCE),
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__CELERY__RESULT_BACKEND": "db+postgresql://user:x@127.0.0.1:1/db",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "WORKER_SCALER_FUNCTION_NAME": function,
    }
    configuration.apply(environment)
    result = subprocess.run(
        [sys.executable, "-c", PRINT], env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    expected = "NullPool sqs:// True 43200 False ResultBackend"
    assert result.stdout.splitlines()[-4:] == [
        f"worker {expected}",
        f"scheduler {expected}",
        f"publish {bool(function)}",
        "init True",
    ]


PRINT_OPTIONS = """
from airflow.providers.common.compat.sdk import conf
# As in Airflow 3.2 for a section that only variables set and only a provider defines.
type(conf).getsection = lambda *_, **__: None
from airflow.configuration import conf as core
type(core).getsection = lambda *_, **__: None
from airflow.providers.celery.executors.celery_executor_utils import app, create_celery_app
for celery in (app, create_celery_app(core)):
    print(celery.conf.broker_transport_options)
"""


def test_queue_and_visibility_are_set_when_airflow_ignores_the_section(tmp_path: Path) -> None:
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(SOURCE),
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__CELERY__RESULT_BACKEND": "db+postgresql://user:x@127.0.0.1:1/db",
        "AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__PREDEFINED_QUEUES": '{"default": {"url": "u"}}',
        "AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__REGION": "us-east-1",
    }
    configuration.apply(environment)
    result = subprocess.run(
        [sys.executable, "-c", PRINT_OPTIONS], env=environment, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    worker, scheduler = map(ast.literal_eval, result.stdout.splitlines()[-2:])
    expected = {
        "visibility_timeout": 43200,
        "predefined_queues": {"default": {"url": "u"}},
        "region": "us-east-1",
    }
    assert worker == scheduler == expected


def consumer(client: object = None) -> SimpleNamespace:
    quality_of_service = QoS(SimpleNamespace(do_restore=False), prefetch_count=4)
    cancelled: list[bool] = []
    return SimpleNamespace(
        hub=SimpleNamespace(_current_http_client=client),
        cancelled=cancelled,
        task_consumer=SimpleNamespace(
            channel=SimpleNamespace(qos=quality_of_service), cancel=lambda: cancelled.append(True)
        ),
    )


def test_gate_closes_and_opens() -> None:
    worker = consumer()
    quality_of_service = worker.task_consumer.channel.qos
    assert quality_of_service.can_consume()
    bootstep._act(Action.CLOSE_GATE, worker, SqsPolls())
    assert not quality_of_service.can_consume()
    bootstep._act(Action.OPEN_GATE, worker, SqsPolls())
    assert quality_of_service.can_consume()


def test_consumer_is_cancelled() -> None:
    worker = consumer()
    bootstep._act(Action.CANCEL_CONSUMER, worker, SqsPolls())
    assert worker.cancelled == [True]


def test_leaving_ends_celery_with_exit_code_0(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(celery_state, "should_stop", None)
    bootstep._act(Action.LEAVE, consumer(), SqsPolls())
    with pytest.raises(SystemExit) as left:
        celery_state.maybe_shutdown()
    assert left.value.code == 0


def test_open_polls_are_counted() -> None:
    from kombu.asynchronous.http.curl import CurlClient
    from kombu.asynchronous.hub import Hub

    client = CurlClient(Hub(), max_clients=3)
    assert SqsPolls().open(consumer(client)) == 0
    client._free_list.pop()
    assert SqsPolls().open(consumer(client)) == 1
    assert SqsPolls().open(consumer(None)) == 0


def test_failing_step_does_not_end_the_worker(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    worker = bootstep.Worker(None, None, drain_watch=None, polls=SqsPolls())
    worker.on_sigterm()
    monkeypatch.setattr(bootstep, "_worker", worker)
    step = object.__new__(bootstep.LifeCycleStep)
    step._step(SimpleNamespace(hub=SimpleNamespace()))
    assert heartbeat.age("worker") is not None


def test_task_that_outlives_its_connection_is_still_held(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a lost connection Celery forgets the reservations of tasks that still run."""

    class Request:
        pass

    running, waiting = Request(), Request()
    worker = bootstep.Worker(None, None, drain_watch=None, polls=SqsPolls())
    monkeypatch.setattr(celery_state, "active_requests", {running})
    monkeypatch.setattr(celery_state, "reserved_requests", {running, waiting})
    assert bootstep._observe(worker, consumer(None), 0.0).tasks_held == 2
    monkeypatch.setattr(celery_state, "reserved_requests", set())
    assert bootstep._observe(worker, consumer(None), 0.0).tasks_held == 1
