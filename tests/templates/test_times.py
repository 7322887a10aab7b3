"""Time limits that belong together, schedules that are understood, and what expires when."""

import json
from typing import Any

import pytest
from dry_deployment import deploy

from airflow_on_fargate.database import snapshot
from airflow_on_fargate.worker import lifecycle
from contracts import drain_orders, forecast, upgrade_notes
from contracts.release_manifest import pointer_key
from publish_dags import handler as publish_dags
from scale_workers.events import trigger_of
from scale_workers.model import Trigger

RELEASES = "releases/"


def rules(bucket: str) -> list[dict[str, Any]]:
    configuration = deploy().child("StorageStack").properties(bucket)["LifecycleConfiguration"]
    return [rule for rule in configuration["Rules"] if rule["Status"] == "Enabled"]


def test_deletion_waits_longer_for_workers_than_they_may_take_to_stop() -> None:
    stack = deploy()
    fleet = stack.child("FleetStack")
    (worker,) = stack.child("WorkerStack").properties("TaskDefinition")["ContainerDefinitions"]
    timeout = fleet.properties("ScaleWorkersFunction")["Timeout"]

    # A worker that has just started has to start before it can stop.
    assert timeout >= 2 * worker["StopTimeout"] + 120
    assert int(fleet.properties("WorkerFleet")["ServiceTimeout"]) > timeout


def test_interrupted_worker_has_time_to_report_its_tasks() -> None:
    (worker,) = deploy().child("WorkerStack").properties("TaskDefinition")["ContainerDefinitions"]
    last_kill = lifecycle.TERMINATION_GRACE_SECONDS + lifecycle.KILL_AFTER_SECONDS

    # Ending a task and reporting it as failed took 11 s.
    assert worker["StopTimeout"] - last_kill >= 15


def test_migration_has_time_after_the_longest_snapshot() -> None:
    resource = deploy().child("ServicesStack").properties("DatabaseSchema")

    # The task is stopped six minutes before CloudFormation gives up.
    assert int(resource["ServiceTimeout"]) - 6 * 60 >= snapshot.LIMIT_SECONDS + 10 * 60


def test_scaler_understands_its_schedule() -> None:
    target = deploy().child("FleetStack").properties("HourlyCheck")["Target"]

    assert trigger_of(json.loads(target["Input"])) is Trigger.TICK


def test_publisher_understands_its_schedule(monkeypatch: pytest.MonkeyPatch) -> None:
    stack = deploy().child("DeliveryStack")
    event = json.loads(stack.properties("ReconciliationSchedule")["Target"]["Input"])
    calls: list[tuple[object, ...]] = []

    class Call:
        def __init__(self, *_: object) -> None:
            """Without AWS."""

        def publish(self, by: str, again: bool) -> dict[str, Any]:
            calls.append((by, again))
            return {}

        def retire(self) -> dict[str, Any]:
            return {"retired": True}

    variables = stack.properties("PublishDagsFunction")["Environment"]["Variables"]
    for name, value in variables.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.setattr(publish_dags, "_Call", Call)
    handle: Any = publish_dags.handler

    class Context:
        aws_request_id = function_name = "1"
        invoked_function_arn = "arn"
        memory_limit_in_mb = 1

    assert handle(event, Context()) == {"retired": True}
    assert calls == [("reconciliation", False)]


def test_history_of_releases_outlives_the_removal_of_a_release() -> None:
    def days(key: str) -> list[int]:
        return [
            rule["NoncurrentVersionExpiration"]["NoncurrentDays"]
            for rule in rules("DagBucket")
            if key.startswith(rule.get("Prefix", ""))
        ]

    assert days(pointer_key(RELEASES)) == [180]
    assert min(days(f"{RELEASES}2026-01-02T03-04-05Z-abc.gz")) == 30


@pytest.mark.parametrize(
    "key",
    [drain_orders.KEY, forecast.KEY, upgrade_notes.QUIESCED_KEY, "fleet/default/state.json"],
)
def test_state_that_is_still_needed_does_not_expire(key: str) -> None:
    assert [
        rule["Id"]
        for rule in rules("StateBucket")
        if "ExpirationInDays" in rule and key.startswith(rule.get("Prefix", ""))
    ] == []


def test_records_of_commands_and_sources_of_images_expire() -> None:
    assert [rule["Prefix"] for rule in rules("StateBucket") if "ExpirationInDays" in rule] == [
        "commands/",
        "image-source/",
    ]
