"""ECS services: scaling, replacement of failed tasks, and rolling deployments."""

import time

from ..conftest import eventually
from ..ecs_tasks import Ecs

SLEEP = "exec sleep 900"


def test_scaled_service_runs_the_desired_number_of_tasks(ecs: Ecs) -> None:
    ecs.create_service("web", ecs.register(SLEEP), count=1)
    for count in (1, 3, 0, 1):
        ecs.api.update_service(cluster=ecs.name, service="web", desiredCount=count)
        eventually(lambda count=count: ecs.running("web", count))

    stopped = ecs.tasks_of("web", desired="STOPPED")
    assert {task["stopCode"] for task in stopped} == {"ServiceSchedulerInitiated"}
    assert all(task["startedBy"].startswith("ecs-svc/") for task in stopped)


def test_service_replaces_a_stopped_task(ecs: Ecs) -> None:
    ecs.create_service("web", ecs.register(SLEEP))
    eventually(lambda: ecs.running("web", 1))
    first = ecs.tasks_of("web")[0]["taskArn"]
    ecs.api.stop_task(cluster=ecs.name, task=first)

    eventually(lambda: ecs.running("web", 1) and ecs.tasks_of("web")[0]["taskArn"] != first)


def test_pause_before_a_restart_grows_while_a_task_keeps_failing(ecs: Ecs) -> None:
    ecs.create_service("web", ecs.register("exit 1"))
    eventually(lambda: len(ecs.tasks_of("web", desired="STOPPED")) == 4)

    created = sorted(t["createdAt"].timestamp() for t in ecs.tasks_of("web", desired="STOPPED"))
    # After pauses of 1, 2 and 4 seconds; ECS gives whole seconds only.
    assert created[-1] - created[0] >= 6


def test_rolling_update_stops_the_old_task_after_the_new_one_is_healthy(ecs: Ecs) -> None:
    health = {"command": ["CMD-SHELL", "test -e up"], "interval": 300}
    slow = "sleep 3; touch up; exec sleep 900"
    old, new = (ecs.register(slow, healthCheck=health) for _ in range(2))
    ecs.create_service("web", old)
    eventually(lambda: ecs.running("web", 1, old))
    before = ecs.tasks_of("web")[0]["taskArn"]

    ecs.api.update_service(cluster=ecs.name, service="web", taskDefinition=new)
    eventually(lambda: len(ecs.tasks_of("web")) == 2)
    after = next(t["taskArn"] for t in ecs.tasks_of("web") if t["taskArn"] != before)
    while ecs.task(after)["healthStatus"] != "HEALTHY":
        assert ecs.task(before)["desiredStatus"] == "RUNNING"
        time.sleep(0.1)

    eventually(lambda: ecs.running("web", 1, new))
    assert ecs.task(before)["desiredStatus"] == "STOPPED"


def test_old_task_stops_first_when_a_service_may_run_only_one(ecs: Ecs) -> None:
    old, new = ecs.register(SLEEP), ecs.register(SLEEP)
    only_one = {"maximumPercent": 100, "minimumHealthyPercent": 0}
    ecs.create_service("web", old, deploymentConfiguration=only_one)
    eventually(lambda: ecs.running("web", 1, old))
    before = ecs.tasks_of("web")[0]["taskArn"]

    ecs.api.update_service(cluster=ecs.name, service="web", taskDefinition=new)
    eventually(lambda: ecs.running("web", 1, new))

    after = ecs.tasks_of("web")[0]
    assert ecs.task(before)["stoppingAt"] <= after["createdAt"]


def test_deployment_fails_and_rolls_back_when_the_circuit_breaker_is_on(ecs: Ecs) -> None:
    good, bad = ecs.register(SLEEP), ecs.register("exit 1")
    breaker = {"deploymentCircuitBreaker": {"enable": True, "rollback": True}}
    ecs.create_service("web", good, deploymentConfiguration=breaker)
    eventually(lambda: ecs.running("web", 1, good))

    ecs.api.update_service(cluster=ecs.name, service="web", taskDefinition=bad)

    def failed() -> bool:
        deployments = ecs.service("web")["deployments"]
        return any(d["rolloutState"] == "FAILED" for d in deployments)

    eventually(failed)
    eventually(lambda: ecs.running("web", 1, good))
