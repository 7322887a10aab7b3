"""`rotate-secret`: its arguments, the restart of services, the wait for workers."""

import json
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from airflow_on_fargate.rotation import command, services
from airflow_on_fargate.rotation.context import RotationContext
from airflow_on_fargate.rotation.errors import RotationError
from airflow_on_fargate.rotation.services import Services
from airflow_on_fargate.rotation.workers import Workers

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


class Clock:
    """Time passes only by sleeping, and ECS advances with it."""

    def __init__(self, ecs: "Ecs") -> None:
        self.now, self.ecs = 0.0, ecs

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.ecs.look()


class Ecs:
    """Services that are steady at the second look, workers that exit one by one."""

    def __init__(self, *components: str) -> None:
        self.restarted: list[str] = []
        self.services = {each: [deployment("COMPLETED")] for each in components}
        self.outcome = "COMPLETED"
        self.workers: dict[str, datetime] = {}

    def look(self) -> None:
        for name, deployments in self.services.items():
            first = deployments[0]
            if first["rolloutState"] == "IN_PROGRESS":
                self.services[name] = self.end(first, deployments[1:])
        for name in list(self.workers)[:1]:
            del self.workers[name]

    def end(self, begun: dict[str, Any], before: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The deployments when this one has ended."""
        if self.outcome == "ROLLED BACK":
            failed = {**begun, "status": "ACTIVE", "rolloutState": "FAILED", "runningCount": 0}
            return [{**before[0], "status": "PRIMARY"}, failed]
        return [{**begun, "rolloutState": self.outcome}]

    def get_paginator(self, operation: str) -> Any:
        ecs = self

        class Pages:
            def paginate(self, **_arguments: str) -> list[dict[str, Any]]:
                found = {"list_services": list(ecs.services), "list_tasks": list(ecs.workers)}
                key = "serviceArns" if operation == "list_services" else "taskArns"
                return [{key: found[operation]}]

        return Pages()

    def describe_services(self, cluster: str, services: list[str]) -> dict[str, Any]:
        return {"services": [self.described(name) for name in services]}

    def described(self, name: str) -> dict[str, Any]:
        return {
            "serviceArn": name,
            "taskDefinition": f"arn:aws:ecs:x:1:task-definition/airflow-{name}:3",
            "deployments": self.services[name],
            "desiredCount": 1,
            "runningCount": 1,
            "pendingCount": 0,
        }

    def describe_tasks(self, cluster: str, tasks: list[str]) -> dict[str, Any]:
        return {
            "tasks": [
                {"taskArn": t, "lastStatus": "RUNNING", "createdAt": self.workers[t]} for t in tasks
            ]
        }

    def update_service(
        self, cluster: str, service: str, forceNewDeployment: bool
    ) -> dict[str, Any]:
        assert forceNewDeployment
        steady = [name for name, found in self.services.items() if len(found) == 1]
        self.restarted.append(f"{service} while {len(steady)} are steady")
        before = [{**each, "status": "ACTIVE"} for each in self.services[service]]
        self.services[service] = [deployment("IN_PROGRESS"), *before]
        return {"service": self.described(service)}


def deployment(state: str, status: str = "PRIMARY", running: int = 1) -> dict[str, Any]:
    return {
        "id": f"ecs-svc/{uuid4()}",
        "status": status,
        "rolloutState": state,
        "runningCount": running,
        "pendingCount": 0,
    }


def restart(ecs: Ecs) -> Clock:
    clock = Clock(ecs)
    Services(ecs, "cluster", clock.sleep, clock).restart()
    return clock


def test_api_server_restarts_before_other_services() -> None:
    ecs = Ecs("scheduler", "api-server", "triggerer")
    restart(ecs)
    assert ecs.restarted == [
        "api-server while 3 are steady",
        "scheduler while 3 are steady",
        "triggerer while 2 are steady",
    ]


def test_compact_control_plane_restarts_after_the_api_server() -> None:
    ecs = Ecs("control-plane", "api-server")
    restart(ecs)
    assert ecs.restarted == [
        "api-server while 2 are steady",
        "control-plane while 2 are steady",
    ]


def test_only_the_api_server_is_first_when_the_stack_has_its_name() -> None:
    ecs = Ecs("api-server-test-scheduler", "api-server-test-api-server")
    restart(ecs)
    assert ecs.restarted[0].startswith("api-server-test-api-server")
    assert len(ecs.restarted) == 2


def test_scheduler_is_not_restarted_when_the_api_server_does_not_start() -> None:
    ecs = Ecs("scheduler", "api-server")
    ecs.outcome = "FAILED"
    with pytest.raises(RotationError, match="was replaced by another: airflow-api-server"):
        restart(ecs)
    assert len(ecs.restarted) == 1


def test_fails_when_a_service_never_becomes_steady() -> None:
    ecs = Ecs("api-server")
    ecs.outcome = "IN_PROGRESS"
    with pytest.raises(RotationError, match="not steady after 1800 s"):
        restart(ecs)


def test_fails_when_ecs_rolls_the_deployment_back() -> None:
    ecs = Ecs("api-server")
    ecs.outcome = "ROLLED BACK"
    with pytest.raises(RotationError, match="a deployment has failed or was replaced"):
        restart(ecs)


def test_service_is_not_steady_while_old_tasks_run() -> None:
    service = Ecs("api-server").described("api-server")
    service["deployments"].append(deployment("COMPLETED", "ACTIVE"))
    assert not services._is_steady(service)


def test_deployment_that_failed_earlier_is_not_waited_for() -> None:
    ecs = Ecs("api-server")
    ecs.services["api-server"].append(deployment("FAILED", "ACTIVE", running=0))
    assert services._is_steady(ecs.described("api-server"))


def test_waits_only_for_older_workers() -> None:
    ecs = Ecs()
    later = NOON + timedelta(seconds=1)
    ecs.workers = {"old-1": NOON - timedelta(hours=6), "old-2": NOON, "new": later}
    clock = Clock(ecs)
    Workers(ecs, "cluster", "airflow-worker", clock.sleep, clock).wait_until_gone(later, 60)
    assert list(ecs.workers) == ["new"]


def test_error_says_how_many_workers_are_left() -> None:
    ecs = Ecs()
    ecs.workers = {str(n): NOON for n in range(9)}
    clock = Clock(ecs)
    with pytest.raises(RotationError, match="7 workers still hold the old value after 20 s"):
        Workers(ecs, "c", "w", clock.sleep, clock).wait_until_gone(NOON + timedelta(1), 20)


def test_says_that_the_command_can_be_repeated_when_it_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_context: Any, wait_seconds: float | None) -> None:
        raise RotationError(f"still unsteady after {wait_seconds:.0f} s")

    monkeypatch.setattr(RotationContext, "from_environment", lambda: None)
    monkeypatch.setattr(command, "_alone", lambda _: nullcontext())
    monkeypatch.setitem(command.PROCEDURES, "jwt-key", fail)

    assert command.main("jwt-key", "--wait-seconds", "5") == 1
    assert "still unsteady after 5 s. Run the same command again" in capsys.readouterr().out


def test_lists_the_secrets_when_the_name_is_unknown(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.main("all")
    assert "result-backend-password" in capsys.readouterr().err


@pytest.mark.parametrize(("seed", "kept"), [("arn:seed", True), ("arn:fernet", False)])
def test_own_fernet_key_has_no_seed(seed: str, kept: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = {
        "cluster": "c",
        "worker_family": "airflow-worker",
        "secrets": {"fernet-key": "arn:fernet", "fernet-key-seed": seed},
    }
    monkeypatch.setenv("ROTATION", json.dumps(plan))
    assert ("fernet-key-seed" in RotationContext.from_environment().secrets) == kept


def test_is_refused_outside_the_command_task(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ROTATION", raising=False)
    with pytest.raises(RotationError, match="ROTATION is not set"):
        RotationContext.from_environment()
