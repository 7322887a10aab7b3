"""All checks together: none stops the others, and the time is bounded."""

from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

from doctor.checks.roles import Names
from doctor.examination import Examination, Facts, Sources
from doctor.model import Level, worst
from doctor.ports import (
    DatabaseState,
    DefinitionState,
    FleetMemory,
    ImageState,
    QueueState,
    ReleaseState,
    SchemaAnswer,
    SecretState,
    ServiceState,
    TaskState,
)
from shared.errors import AccessDeniedError, AwsCallError

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
FACTS = Facts(
    Names("airflow", "arn:aws:ecs:us-east-1:1:cluster/airflow", "dags"), ["default"], 1, 5
)


class Healthy:
    """Every source of a healthy stack."""

    services = staticmethod(lambda: [ServiceState("ApiServerService", 1, 1, task_definition="a:1")])
    tasks = staticmethod(lambda: [TaskState("airflow-api-server", "RUNNING", "HEALTHY", 0.5)])
    definition = staticmethod(
        lambda name: DefinitionState(name, "", "role/agent", ("secret",), (), ("worker",), "image")
    )
    denied = staticmethod(lambda role, actions, resource: [])
    instance = staticmethod(lambda: DatabaseState("available", None, 7))
    state = staticmethod(lambda name: QueueState(name, True, visibility_seconds=43_200))
    fleet = staticmethod(lambda queue: FleetMemory())
    pause = staticmethod(lambda: None)
    current = staticmethod(lambda: ReleaseState("r", NOW))
    fargate_vcpu = staticmethod(lambda: 100.0)
    lambda_concurrency = staticmethod(lambda: 1000)
    free_addresses = staticmethod(lambda: {"subnet-1": 200})
    is_known = staticmethod(lambda uri: True)
    image = staticmethod(lambda uri: ImageState(NOW))
    all = staticmethod(lambda: [SecretState("key", NOW)])
    ringing = staticmethod(lambda: {})
    of_aws = staticmethod(lambda: NOW)
    status = staticmethod(lambda: "CREATE_COMPLETE")


def examination(left: float = 100, schema: Any = None, **changed: Any) -> Examination:
    source: Any = type("Source", (Healthy,), {k: staticmethod(v) for k, v in changed.items()})()
    sources = {each.name: source for each in fields(Sources)}
    sources |= {"certificates": None, "schema": schema}
    return Examination(Sources(**sources), FACTS, lambda: NOW, lambda: left)


def by_check(found):
    return {finding.check: finding for finding in found if finding.level != Level.OK}


def test_healthy_stack_has_no_findings():
    found = examination().run()

    assert worst(found) == Level.OK
    assert len({finding.check for finding in found}) == 16


def refuse(error):
    def call(*arguments):
        raise error

    return call


def test_check_that_cannot_look_is_a_warning_and_the_others_go_on():
    denied = AccessDeniedError("Could not describe the database: AccessDenied")
    broken = AwsCallError("Could not list the alarms: Throttling")
    damaged = ValueError("The pointer is not valid JSON")
    found = by_check(
        examination(instance=refuse(denied), ringing=refuse(broken), current=refuse(damaged)).run()
    )

    assert set(found) == {"database", "alarms", "releases"}
    assert "The pointer is not valid JSON" in found["releases"].what
    assert found["database"].level == Level.WARN
    assert "role of the function" in found["database"].next_step
    assert "Throttling" in found["alarms"].what


def test_checks_for_which_no_time_is_left_are_named():
    found = examination(left=20).run()

    assert {finding.level for finding in found} == {Level.WARN}
    assert {finding.what for finding in found} == {"Not looked at: the time was over"}


def test_schema_is_asked_last_and_with_the_time_that_is_left():
    class Schema:
        seconds = 0.0

        def check(self, seconds):
            self.seconds = seconds
            return SchemaAnswer(1, "behind")

    schema = Schema()
    found = examination(left=100, schema=schema).run()

    assert schema.seconds == 75
    assert (found[-1].check, found[-1].level) == ("schema", Level.FAIL)


def test_image_and_role_of_a_definition_are_looked_at_once():
    asked: list[str] = []
    examination(image=lambda uri: asked.append(uri) or ImageState(NOW)).run()

    assert asked == ["image"]
