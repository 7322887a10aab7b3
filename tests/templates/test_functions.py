"""The functions get from the templates what they read, may do what they call, and are called."""

import json
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aws_lambda_powertools.utilities.typing import LambdaContext
from dry_deployment import DryStack, deploy
from template_files import ROOT_DIR, all_templates, root

from publish_dags.settings import PublishDagsSettings
from run_airflow_command.settings import RunAirflowCommandSettings
from scale_workers.settings import ScaleWorkersSettings
from shared.observability import MetricName, Telemetry

FUNCTIONS = {
    "PreflightStack": "CheckPrerequisitesFunction",
    "AirflowStack": "RunAirflowCommandFunction",
    "WorkersStack": "ScaleWorkersFunction",
    "DagDeliveryStack": "PublishDagsFunction",
}
STANDARD = {
    "POWERTOOLS_METRICS_NAMESPACE",
    "POWERTOOLS_SERVICE_NAME",
    "STACK_NAME",
}


class Recorder(Mapping[str, str]):
    """An environment that remembers which of its variables were asked for."""

    def __init__(self, values: dict[str, str]) -> None:
        self._values, self.asked = values, set[str]()

    def __getitem__(self, name: str) -> str:
        self.asked.add(name)
        return self._values[name]

    def __iter__(self) -> Any:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def function(stack: str) -> dict[str, Any]:
    return deploy().child(stack).properties(FUNCTIONS[stack])


def environment(stack: str) -> dict[str, str]:
    variables = function(stack)["Environment"]["Variables"]
    return {name: str(value) for name, value in variables.items()}


@pytest.mark.parametrize(
    ("stack", "settings"),
    [
        ("AirflowStack", RunAirflowCommandSettings),
        ("WorkersStack", ScaleWorkersSettings),
        ("DagDeliveryStack", PublishDagsSettings),
    ],
)
def test_environment_is_exactly_what_the_settings_read_when_a_function_starts(
    stack: str, settings: Any
) -> None:
    recorder = Recorder(environment(stack))

    settings.from_environment(recorder)

    assert recorder.asked | STANDARD == set(recorder)


def test_environment_fits_into_a_function_when_the_fleets_are_described_at_length() -> None:
    # What tokens stand for is longer: 150 characters are more than any ARN of this stack has.
    values = environment("WorkersStack")
    lengths = [len(name) + (150 if "<" in value else len(value)) for name, value in values.items()]
    parameters = root().parameters
    free = [parameters[name]["MaxLength"] for name in ("WorkerFleets", "WorkerQueueNames")]
    most = sum(lengths) + sum(free)

    assert most < 4096


@pytest.mark.parametrize("stack", FUNCTIONS)
def test_function_is_found_and_named_alike_when_it_is_built(stack: str) -> None:
    properties = function(stack)
    package = properties["Handler"].split(".")[0]
    makefile = (ROOT_DIR / "functions" / "Makefile").read_text()

    assert (ROOT_DIR / "functions" / package / "handler.py").exists()
    assert f"build-{FUNCTIONS[stack]}: PACKAGE := {package}\n" in makefile
    assert environment(stack)["POWERTOOLS_SERVICE_NAME"] == package.replace("_", "-")
    assert environment(stack)["STACK_NAME"] == "airflow"
    assert properties["Runtime"] == "python3.13"


def test_functions_are_the_listed_ones_when_templates_are_read() -> None:
    found = [name for t in all_templates() for name in t.of_type("AWS::Serverless::Function")]

    assert sorted(found) == sorted(FUNCTIONS.values())


def test_scaler_has_the_name_that_the_scheduler_calls_when_both_are_deployed() -> None:
    stack = deploy()
    scheduler = stack.child("AirflowStack").child("SchedulerStack")
    (container,) = scheduler.properties("TaskDefinition")["ContainerDefinitions"]
    called = {each["Name"]: each["Value"] for each in container["Environment"]}

    assert called["WORKER_SCALER_FUNCTION_NAME"] == function("WorkersStack")["FunctionName"]
    assert f":function:{function('WorkersStack')['FunctionName']}'" in str(
        scheduler.properties("TaskRole")
    )


def test_schedules_call_the_function_by_its_name_when_commands_are_deployed() -> None:
    airflow = deploy().child("AirflowStack")
    schedules = airflow.child("CommandSchedulesStack")
    target = schedules.properties("DatabaseCleaning")["Target"]
    name = function("AirflowStack")["FunctionName"]

    assert target["Arn"].endswith(f":function:{name}")
    assert f":function:{name}'" in str(schedules.properties("TickRole"))
    assert json.loads(target["Input"]) == {"maintenance": "db-clean"}
    assert environment("AirflowStack")["DATABASE_RETENTION_DAYS"] == "365"


def permissions(stack: DryStack) -> dict[str, str]:
    """Source of a call → principal."""
    return {
        stack.properties(name)["SourceArn"].split("/")[-1]: stack.properties(name)["Principal"]
        for name, resource in stack.resources.items()
        if resource["Type"] == "AWS::Lambda::Permission"
    }


@pytest.mark.parametrize(
    ("stack", "callers"),
    [
        ("AirflowStack", {"CommandStoppedRule.Arn>": "events.amazonaws.com"}),
        (
            "WorkersStack",
            {
                "QueuedAlarm.Arn>": "lambda.alarms.cloudwatch.amazonaws.com",
                "WorkerStoppedRule.Arn>": "events.amazonaws.com",
            },
        ),
        ("DagDeliveryStack", {"DagsChangedRule.Arn>": "events.amazonaws.com"}),
    ],
)
def test_only_the_listed_callers_may_call_when_a_function_is_deployed(
    stack: str, callers: dict[str, str]
) -> None:
    assert permissions(deploy().child(stack)) == callers


@pytest.mark.parametrize(
    ("stack", "rule", "family"),
    [
        ("AirflowStack", "CommandStoppedRule", "airflow-command"),
        ("WorkersStack", "WorkerStoppedRule", "airflow-worker"),
    ],
)
def test_rule_selects_only_its_own_tasks_when_tasks_stop(
    stack: str, rule: str, family: str
) -> None:
    detail = deploy().child(stack).properties(rule)["EventPattern"]["detail"]

    assert detail == {
        "clusterArn": ["<airflow/ClusterStack/Cluster.Arn>"],
        "lastStatus": ["STOPPED"],
        "taskDefinitionArn": [
            {"prefix": f"arn:<partition>:ecs:<region>:<account>:task-definition/{family}:"}
        ],
    }


def test_fleet_goes_last_but_one_when_its_stack_is_deleted() -> None:
    resources = deploy().child("WorkersStack").resources

    # What wakes the function up depends on the fleet, so it is gone when the fleet is emptied.
    wakers = {name for name, each in resources.items() if each.get("DependsOn") == "WorkerFleet"}
    assert wakers == {"HourlyCheck", "QueuedAlarm", "WorkerStoppedRule"}


def test_services_wait_for_migration_and_user_when_airflow_is_deployed() -> None:
    resources = deploy().child("AirflowStack").resources
    services = {name for name, each in resources.items() if each["Type"] == "AWS::ECS::Service"}

    assert {resources[name]["DependsOn"] for name in services} == {"AdminUser"}
    assert resources["AdminUser"]["DependsOn"] == "ResultBackend"
    assert resources["ResultBackend"]["DependsOn"] == "MigrateDatabase"
    assert resources["MigrateDatabase"]["DependsOn"] == "CommandStoppedPermission"


@pytest.mark.parametrize(
    ("service", "minimum", "maximum", "rebalancing"),
    [
        ("ApiServerService", 100, 200, "ENABLED"),
        ("SchedulerService", 0, 100, "DISABLED"),
        ("DagProcessorService", 0, 100, "DISABLED"),
        ("TriggererService", 100, 200, "DISABLED"),
    ],
)
def test_deployment_never_starts_the_old_image_again_when_it_fails(
    service: str, minimum: int, maximum: int, rebalancing: str
) -> None:
    properties = deploy().child("AirflowStack").properties(service)

    assert properties["DeploymentConfiguration"] == {
        "MinimumHealthyPercent": minimum,
        "MaximumPercent": maximum,
        "DeploymentCircuitBreaker": {"Enable": True, "Rollback": False},
    }
    assert properties["AvailabilityZoneRebalancing"] == rebalancing
    assert ("LoadBalancers" in properties) == (service == "ApiServerService")


def test_alarms_watch_what_the_functions_emit_when_they_count(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    names = {each.value: each for each in MetricName}
    services = {environment(stack)["POWERTOOLS_SERVICE_NAME"] for stack in FUNCTIONS}
    alarms = [
        properties
        for stack in deploy().everything()
        for name, resource in stack.resources.items()
        if resource["Type"] == "AWS::CloudWatch::Alarm"
        and (properties := stack.properties(name))["Namespace"] == "AirflowOnFargate"
    ]

    assert alarms
    for alarm in alarms:
        wanted = {each["Name"]: each["Value"] for each in alarm["Dimensions"]}
        monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "AirflowOnFargate")
        monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", wanted["service"])
        context = cast(LambdaContext, SimpleNamespace(aws_request_id="1"))
        telemetry = Telemetry(wanted["Stack"], context)
        telemetry.count(names[alarm["MetricName"]])
        telemetry.flush()
        emitted = json.loads(capsys.readouterr().out)

        (directive,) = emitted["_aws"]["CloudWatchMetrics"]
        assert directive["Namespace"] == alarm["Namespace"]
        assert directive["Metrics"][0]["Name"] == alarm["MetricName"]
        assert {name: emitted[name] for name in directive["Dimensions"][0]} == wanted
        assert wanted["service"] in services
        assert alarm["AlarmActions"] == ["<airflow/MonitoringStack/NotificationTopic>"]
