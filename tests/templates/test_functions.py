"""The functions get from the templates what they read, may do what they call, and are called."""

import json
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aws_lambda_powertools.utilities.typing import LambdaContext
from dry_deployment import DryStack, deploy
from template_files import ROOT_DIR, all_templates, root

from build_image.settings import BuildImageSettings
from contracts.names import scaler_function
from doctor.settings import DoctorSettings
from publish_dags.settings import PublishDagsSettings
from run_airflow_command.settings import RunAirflowCommandSettings
from scale_workers.settings import ScaleWorkersSettings
from shared.observability import MetricName, Telemetry

FUNCTIONS = {
    "PreflightStack": "PreflightFunction",
    "CommandsStack": "RunAirflowCommandFunction",
    "FleetStack": "ScaleWorkersFunction",
    "DeliveryStack": "PublishDagsFunction",
    "ImageStack": "BuildImageFunction",
    "DoctorStack": "DoctorFunction",
}
STANDARD = {
    "POWERTOOLS_METRICS_NAMESPACE",
    "POWERTOOLS_SERVICE_NAME",
    "STACK_NAME",
}
# What only tests set: registries in place of the public ones.
UNSET = {"BASE_IMAGE", "BASE_IMAGE_MIRROR"}


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
        ("CommandsStack", RunAirflowCommandSettings),
        ("FleetStack", ScaleWorkersSettings),
        ("DeliveryStack", PublishDagsSettings),
        ("ImageStack", BuildImageSettings),
        ("DoctorStack", DoctorSettings),
    ],
)
def test_environment_is_exactly_what_the_settings_read_when_a_function_starts(
    stack: str, settings: Any
) -> None:
    recorder = Recorder(environment(stack))

    settings.from_environment(recorder)

    assert (recorder.asked - UNSET) | STANDARD == set(recorder)


def test_environment_fits_into_a_function_when_the_fleets_are_described_at_length() -> None:
    # What tokens stand for is longer: 150 characters are more than any ARN of this stack has. Names
    # of roles and of schedule groups have at most 64, of buckets 63, the id of a group has 20. A
    # region and an account add 26 characters to a URL or an ARN, and the longest partition 10.
    # The cluster is named after the stack, for which the preflight allows 40. CloudFormation makes
    # the name of the operators' cluster of that, 13 and 7 characters, and two suffixes of 12.
    longest = {
        "CLUSTER_ARN": 100,
        "QUEUE_URL": 115,
        "WORKER_TASK_DEFINITION_ARN": 115,
        "TICK_ROLE_ARN": 105,
        "OPERATOR_CLUSTER_NAME": 90,
        "SECURITY_GROUP_IDS": 20,
        "STATE_BUCKET_NAME": 63,
        "TICK_SCHEDULE_GROUP_NAME": 64,
        "QUEUE_ROLE_NAMES": 8 * 64 + 7,
    }
    values = environment("FleetStack")
    lengths = [
        len(name) + longest.get(name, 150 if "<" in value else len(value))
        for name, value in values.items()
    ]
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
    found = [name for t in all_templates() for name in t.of_type("AWS::Lambda::Function")]

    assert sorted(found) == sorted(FUNCTIONS.values())


def test_scaler_has_the_name_that_the_scheduler_calls() -> None:
    name = function("FleetStack")["FunctionName"]
    control_plane = deploy().child("ControlPlaneStack")

    assert name == scaler_function("airflow")
    assert f":function:{name}'" in str(control_plane.properties("TaskRole"))


def test_schedules_and_custom_resources_call_the_function_by_its_name() -> None:
    commands, services = deploy().child("CommandsStack"), deploy().child("ServicesStack")
    target = commands.properties("DatabaseCleaning")["Target"]
    name = function("CommandsStack")["FunctionName"]

    assert target["Arn"] == "<airflow/CommandsStack/RunAirflowCommandFunction.Arn>"
    assert f":function:{name}'" in str(commands.properties("TickRole"))
    assert json.loads(target["Input"]) == {"maintenance": "db-clean"}
    assert environment("CommandsStack")["DATABASE_RETENTION_DAYS"] == "365"
    for resource in ("DatabaseUsers", "DatabaseSchema", "FirstUser"):
        token = services.properties(resource)["ServiceToken"]
        assert token == f"arn:<partition>:lambda:<region>:<account>:function:{name}"


def test_cluster_has_the_name_that_everything_derives() -> None:
    cluster = deploy().child("ClusterStack").properties("Cluster")["ClusterName"]

    assert cluster == "airflow"
    for stack in ("CommandsStack", "FleetStack"):
        assert environment(stack)["CLUSTER_ARN"].endswith(f":cluster/{cluster}")


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
        ("CommandsStack", {"CommandStoppedRule.Arn>": "events.amazonaws.com"}),
        (
            "FleetStack",
            {
                "arn:<partition>:cloudwatch:<region>:<account>:alarm:airflow-queued-*": (
                    "lambda.alarms.cloudwatch.amazonaws.com"
                ),
                "WorkerStoppedRule.Arn>": "events.amazonaws.com",
            },
        ),
        # The bucket's events come through a queue.
        ("DeliveryStack", {}),
    ],
)
def test_only_the_listed_callers_may_call_when_a_function_is_deployed(
    stack: str, callers: dict[str, str]
) -> None:
    assert permissions(deploy().child(stack)) == callers


@pytest.mark.parametrize(
    ("stack", "rule", "family"),
    [
        ("CommandsStack", "CommandStoppedRule", "airflow-command"),
        ("FleetStack", "WorkerStoppedRule", "airflow-worker"),
    ],
)
def test_rule_selects_only_its_own_tasks_when_tasks_stop(
    stack: str, rule: str, family: str
) -> None:
    detail = deploy().child(stack).properties(rule)["EventPattern"]["detail"]

    assert detail == {
        "clusterArn": ["arn:<partition>:ecs:<region>:<account>:cluster/airflow"],
        "lastStatus": ["STOPPED"],
        "taskDefinitionArn": [
            {"prefix": f"arn:<partition>:ecs:<region>:<account>:task-definition/{family}:"}
        ],
    }


def test_nothing_calls_the_scaler_while_its_fleet_is_deleted() -> None:
    resources = deploy(WorkerQueueNames="heavy").child("FleetStack").resources

    # What calls the function depends on the fleet, so it is deleted before the fleet is.
    callers = {name for name, each in resources.items() if each.get("DependsOn") == "WorkerFleet"}
    assert callers == {"HourlyCheck", "QueuedAlarm", "QueuedAlarm1", "WorkerStoppedRule"}


@pytest.mark.parametrize("environment_class", ["micro", "small"])
def test_services_wait_for_schema_and_first_user(environment_class: str) -> None:
    resources = deploy(EnvironmentClass=environment_class).child("ServicesStack").resources
    services = {name for name, each in resources.items() if each["Type"] == "AWS::ECS::Service"}

    assert {resources[name]["DependsOn"] for name in services} == {"FirstUser"}
    assert resources["FirstUser"]["DependsOn"] == "DatabaseSchema"
    assert resources["DatabaseSchema"]["DependsOn"] == "DatabaseUsers"


@pytest.mark.parametrize(
    ("environment_class", "service", "minimum", "maximum", "rebalancing"),
    [
        ("micro", "ApiServerService", 100, 200, "ENABLED"),
        ("micro", "ControlPlaneService", 0, 100, "DISABLED"),
        ("small", "ApiServerService", 100, 200, "ENABLED"),
        ("small", "SchedulerService", 0, 100, "DISABLED"),
        ("small", "DagProcessorService", 0, 100, "DISABLED"),
        ("small", "TriggererService", 100, 200, "DISABLED"),
    ],
)
def test_ecs_never_starts_the_old_image_again_when_a_deployment_fails(
    environment_class: str, service: str, minimum: int, maximum: int, rebalancing: str
) -> None:
    stack = deploy(EnvironmentClass=environment_class).child("ServicesStack")
    properties = stack.properties(service)

    assert properties["DeploymentConfiguration"] == {
        "MinimumHealthyPercent": minimum,
        "MaximumPercent": maximum,
        "DeploymentCircuitBreaker": {"Enable": True, "Rollback": False},
    }
    assert properties["AvailabilityZoneRebalancing"] == rebalancing
    assert ("LoadBalancers" in properties) == (service == "ApiServerService")


def test_first_user_gets_the_administrators_address() -> None:
    for address in ("", "team@example.com"):
        services = deploy(AdminEmail=address).child("ServicesStack")
        given = [address] if address else []
        schema = services.properties("DatabaseSchema")["Command"]
        assert schema == ["upgrade-schema", "--first-user", *given]
        on_rollback = services.properties("FirstUser")
        assert on_rollback["When"] == "rollback"
        assert on_rollback["Command"] == ["ensure-admin-user", *given]


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
        assert alarm["AlarmActions"] == ["<airflow/NotificationsStack/NotificationTopic>"]


def test_changes_of_the_bucket_reach_the_publisher_through_a_bounded_queue() -> None:
    delivery = deploy().child("DeliveryStack")
    queue, mapping = (delivery.properties(f"DagChanges{part}") for part in ("Queue", "Mapping"))
    arn = "<airflow/DeliveryStack/DagChangesQueue.Arn>"

    assert [each["Arn"] for each in delivery.properties("DagsChangedRule")["Targets"]] == [arn]
    assert mapping["EventSourceArn"] == arn
    assert mapping["FunctionName"] == "<airflow/DeliveryStack/PublishDagsFunction>"
    assert mapping["ScalingConfig"] == {"MaximumConcurrency": 2}
    # Lambda advises six times the time-out: less, and a message comes back while a call has it.
    assert queue["VisibilityTimeout"] >= 6 * function("DeliveryStack")["Timeout"]
    assert queue["SqsManagedSseEnabled"] is True
    # A call takes at most six megabytes; the largest event that S3 sends has a key of 1,024 bytes.
    assert mapping["BatchSize"] * 4096 < 6 * 1024 * 1024


def test_only_the_rule_may_send_to_the_queue_of_changes() -> None:
    delivery = deploy().child("DeliveryStack")
    policy = delivery.properties("DagChangesQueuePolicy")

    assert policy["Queues"] == ["<airflow/DeliveryStack/DagChangesQueue>"]
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert statement["Principal"] == {"Service": "events.amazonaws.com"}
    assert statement["Action"] == "sqs:SendMessage"
    assert statement["Condition"] == {
        "ArnEquals": {"aws:SourceArn": "<airflow/DeliveryStack/DagsChangedRule.Arn>"}
    }


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ({"EnvironmentClass": "micro"}, "500"),
        ({"EnvironmentClass": "large"}, "5000"),
        # Another size than the one that was measured.
        ({"EnvironmentClass": "small", "DagProcessorTasks": "1x1024/2048"}, "0"),
        ({"EnvironmentClass": "micro", "SchedulerTasks": "1x1024/2048"}, "0"),
        # There it is the scheduler's alone.
        ({"EnvironmentClass": "small", "SchedulerTasks": "1x1024/2048"}, "1000"),
    ],
)
def test_publisher_knows_how_many_dag_files_the_class_is_meant_for(
    chosen: dict[str, str], expected: str
) -> None:
    properties = deploy(**chosen).child("DeliveryStack").properties("PublishDagsFunction")
    assert str(properties["Environment"]["Variables"]["DAG_FILES_OF_CLASS"]) == expected
