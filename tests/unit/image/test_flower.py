"""Flower: never without a password, read-only, and without tokens and open metrics."""

import re
from typing import Any

import pytest
from celery import Celery
from celery.signals import before_task_publish

from airflow_on_fargate import configuration, entrypoint, flower, health, patches
from airflow_on_fargate.celery import broker


def test_flower_asks_for_the_password() -> None:
    settings = flower.settings_for({"FLOWER_PASSWORD": "generated"})

    assert settings["FLOWER_BASIC_AUTH"] == "admin:generated"
    assert settings["FLOWER_READ_ONLY"] == "true"


@pytest.mark.parametrize("environment", [{}, {"FLOWER_PASSWORD": ""}])
def test_flower_does_not_start_without_a_password(environment: dict[str, str]) -> None:
    with pytest.raises(flower.FlowerError, match="FLOWER_PASSWORD is not set"):
        flower.settings_for(environment)


def test_every_option_is_one_of_flower() -> None:
    from flower.command import is_flower_envvar  # type: ignore[import-untyped]

    settings = flower.settings_for({"FLOWER_PASSWORD": "x"})
    assert all(is_flower_envvar(name) for name in settings)
    # Otherwise Flower would take the variable of ECS for one of its options.
    assert not is_flower_envvar("FLOWER_PASSWORD")


def test_flower_is_where_the_load_balancer_looks_for_it() -> None:
    settings = configuration.settings_for({"COMPONENT": "flower"})

    assert settings["AIRFLOW__CELERY__FLOWER_URL_PREFIX"] == "/flower"
    assert settings["AIRFLOW__CELERY__FLOWER_PORT"] == "8080"


def test_flower_starts_with_its_settings() -> None:
    assert entrypoint.airflow_command(["celery", "flower"]) == [
        "airflow_on_fargate.flower", "celery", "flower",
    ]  # fmt: skip


def test_workers_of_valkey_do_not_ask_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    command = ["celery", "worker", "--queues", "heavy"]
    assert entrypoint.airflow_command(command) == ["airflow_on_fargate.component", *command]
    monkeypatch.setenv("AIRFLOW__CELERY__BROKER_URL", "rediss://:token@valkey:6379/0")
    assert entrypoint.airflow_command(command) == [
        "airflow_on_fargate.component", *command, "--without-mingle", "--without-gossip",
    ]  # fmt: skip


def test_unhealthy_when_it_does_not_answer() -> None:
    environment = {
        "AIRFLOW_HOME": "/nowhere",
        "AIRFLOW__CELERY__FLOWER_HOST": "127.0.0.1",
        "AIRFLOW__CELERY__FLOWER_PORT": "1",
    }
    with pytest.raises(health.UnhealthyError, match=r"127\.0\.0\.1:1/flower/healthcheck"):
        health.check("flower", environment)


def test_metrics_are_closed_and_everything_else_stays() -> None:
    from flower import urls

    before = len(urls.handlers)
    patches.apply_for("flower")
    patches.apply_for("flower")
    routes = [each[0] if isinstance(each, tuple) else each.regex.pattern for each in urls.handlers]

    assert len(routes) in (before, before - 1)
    assert "/metrics" not in routes
    assert {"/healthcheck", "/api/workers"} <= set(routes)
    # The last route answers that there is no such page.
    assert re.fullmatch(routes[-1], "/metrics")


def test_arguments_of_tasks_stay_out_of_events() -> None:
    """Airflow's task has one argument, which has a token in it."""
    app = Celery(broker="memory://")
    broker.hide_arguments()
    try:
        published: dict[str, Any] = {}
        with app.producer_pool.acquire() as producer:
            producer.publish = lambda body, **named: published.update(named, body=body)
            app.send_task("execute", ('{"token": "secret"}',), producer=producer)
    finally:
        before_task_publish.disconnect(broker._hide_arguments)

    assert "secret" not in str(published["headers"])
    assert "secret" in str(published["body"])
