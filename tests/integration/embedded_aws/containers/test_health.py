"""Container health checks, run as separate processes."""

from typing import Any

from ..conftest import eventually
from ..ecs_tasks import Ecs

FILE_CHECK = {"interval": 5, "timeout": 2, "retries": 1, "startPeriod": 0}


def check(script: str, **times: int) -> dict[str, Any]:
    return {**FILE_CHECK, "command": ["CMD-SHELL", script], **times}


def test_task_is_healthy_when_its_check_succeeds(ecs: Ecs) -> None:
    script = "sleep 1; touch up; exec sleep 900"
    arn = ecs.run(ecs.register(script, healthCheck=check("test -e up", interval=300)))

    assert ecs.reached(arn, "RUNNING")["healthStatus"] == "UNKNOWN"
    # Long before the interval of five minutes is over.
    eventually(lambda: ecs.task(arn)["healthStatus"] == "HEALTHY")
    assert ecs.task(arn)["containers"][0]["healthStatus"] == "HEALTHY"


def test_task_is_unhealthy_when_its_check_hangs(ecs: Ecs) -> None:
    arn = ecs.run(ecs.register("exec sleep 900", healthCheck=check("sleep 50")))

    eventually(lambda: ecs.task(arn)["healthStatus"] == "UNHEALTHY")
    # A task without a service continues to run.
    assert ecs.task(arn)["lastStatus"] == "RUNNING"


def test_service_replaces_a_task_when_its_check_fails(ecs: Ecs) -> None:
    health = check("test ! -e broken", interval=5)
    definition = ecs.register("sleep 4; touch broken; exec sleep 900", healthCheck=health)
    ecs.create_service("web", definition)
    first = eventually(lambda: ecs.tasks_of("web"))[0]

    stopped = ecs.reached(first["taskArn"], "STOPPED")
    assert stopped["stoppedReason"] == "Task failed container health checks"
    eventually(lambda: [t for t in ecs.tasks_of("web") if t["taskArn"] != first["taskArn"]])
