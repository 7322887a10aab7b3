"""What each component's container gets: its command, environment, secrets and permissions."""

import json
from functools import cache
from typing import Any

import pytest
from dry_deployment import DryStack, deploy

# Component → the stack that describes it, in a class with a separate control plane.
STACKS = {
    "api-server": "ApiServerStack",
    "scheduler": "SchedulerStack",
    "dag-processor": "DagProcessorStack",
    "triggerer": "TriggererStack",
    "worker": "WorkerStack",
    "command": "CommandStack",
}
CONTROL_PLANE = ("scheduler", "dag-processor", "triggerer")
EVERYWHERE = {
    "AIRFLOW_CONFIGURATION",
    "AIRFLOW__CORE__EXECUTION_API_SERVER_URL",
    "COMPONENT",
    "DAG_BUCKET_NAME",
    "EXECUTORS",
    "LOG_BUCKET_NAME",
    "STACK_NAME",
}
DATABASE = {
    "AIRFLOW__CORE__FERNET_KEY": "FernetKeySecret",
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "AirflowUrlSecret",
}
TOKENS = {"AIRFLOW__API_AUTH__JWT_SECRET": "JwtSecret"}
LOG_REQUESTS = {"AIRFLOW__API__SECRET_KEY": "ApiSecretKeySecret"}
SESSIONS = {"FLASK_SECRET_KEY": "SessionKeySecret"}
# What tasks of the former version get besides.
_FORMER_URLS = {"SqlAlchemyConnSecret", "ResultBackendSecret"}
FORMER = {
    "api-server": _FORMER_URLS,
    "command": _FORMER_URLS,
    **dict.fromkeys(CONTROL_PLANE, _FORMER_URLS | {"JwtSecret", "ApiSecretKeySecret"}),
}
RESULT_BACKEND = {"AIRFLOW__CELERY__RESULT_BACKEND": "ResultBackendSecret"}


@cache
def separate() -> DryStack:
    return deploy(EnvironmentClass="small")


@cache
def compact() -> DryStack:
    return deploy(EnvironmentClass="micro")


def task(component: str) -> DryStack:
    return separate().child(STACKS[component])


def definition(component: str) -> dict[str, Any]:
    return task(component).properties("TaskDefinition")


def container(component: str) -> dict[str, Any]:
    (only,) = definition(component)["ContainerDefinitions"]
    return dict(only)


def variables(container: dict[str, Any]) -> dict[str, str]:
    return {each["Name"]: each["Value"] for each in container["Environment"]}


def environment(component: str) -> dict[str, str]:
    return variables(container(component))


def secrets(component: str) -> dict[str, str]:
    """Variable → logical id of the secret."""
    return {
        each["Name"]: each["ValueFrom"].strip("<>").split("/")[-1]
        for each in container(component)["Secrets"]
    }


def statements(stack: DryStack, role: str) -> list[dict[str, Any]]:
    return [
        statement
        for policy in stack.properties(role)["Policies"]
        for statement in policy["PolicyDocument"]["Statement"]
    ]


def actions(stack: DryStack) -> set[str]:
    """What the code of a task may do."""
    return {
        action
        for statement in statements(stack, "TaskRole")
        for action in (
            [statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"]
        )
    }


@pytest.mark.parametrize(
    ("component", "own"),
    [
        ("api-server", {"AIRFLOW__API__BASE_URL", "FORWARDED_HOPS"}),
        (
            "scheduler",
            {
                "AIRFLOW__API__BASE_URL",
                "STATE_BUCKET_NAME",
                "WORKER_QUEUE_NAMES",
                "WORKER_QUEUE_URL",
            },
        ),
        ("dag-processor", {"AIRFLOW__API__BASE_URL"}),
        ("triggerer", {"AIRFLOW__API__BASE_URL"}),
        (
            "worker",
            {
                "AIRFLOW__API__BASE_URL",
                "AIRFLOW__CELERY__WORKER_CONCURRENCY",
                "STATE_BUCKET_NAME",
                "WORKER_QUEUE_NAMES",
                "WORKER_QUEUE_URL",
            },
        ),
        (
            "command",
            {"ADMIN_USERNAME", "DATABASE_INSTANCE_ID", "ROTATION", "STATE_BUCKET_NAME"},
        ),
    ],
)
def test_environment_holds_only_what_the_component_reads(component: str, own: set[str]) -> None:
    # A command ends before a minute is over.
    metrics = set() if component == "command" else {"EMIT_METRICS"}

    assert set(environment(component)) == EVERYWHERE | own | metrics
    assert environment(component)["COMPONENT"] == component


def test_common_environment_is_the_same_in_every_component() -> None:
    common = [
        {name: environment(each)[name] for name in EVERYWHERE - {"COMPONENT"}} for each in STACKS
    ]

    assert all(each == common[0] for each in common)
    assert common[0]["STACK_NAME"] == "airflow"
    assert common[0]["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"] == (
        "http://api-server.airflow.internal:8080/execution/"
    )
    namespace = separate().child("ClusterStack").properties("ServiceNamespace")
    service = separate().child("ClusterStack").properties("ApiServerDiscoveryService")
    assert f"{service['Name']}.{namespace['Name']}" == "api-server.airflow.internal"


@pytest.mark.parametrize(
    ("component", "expected"),
    [
        ("api-server", DATABASE | TOKENS | LOG_REQUESTS | SESSIONS),
        ("scheduler", DATABASE | TOKENS),
        ("dag-processor", DATABASE),
        ("triggerer", DATABASE | LOG_REQUESTS),
        ("worker", LOG_REQUESTS | RESULT_BACKEND),
        (
            "command",
            DATABASE
            | TOKENS
            | LOG_REQUESTS
            | RESULT_BACKEND
            | {"ADMIN_PASSWORD": "AdminPasswordSecret"},
        ),
    ],
)
def test_secrets_are_only_those_that_the_component_needs(
    component: str, expected: dict[str, str]
) -> None:
    assert secrets(component) == expected
    # Its execution role may read these, and those with which the former version's task starts.
    assert readable(component, "InjectSecrets") == set(expected.values())
    former = readable(component, "InjectSecretsOfFormerVersion")
    assert former == FORMER.get(component, set())


def readable(component: str, sid: str) -> set[str]:
    """The logical ids of the secrets that a statement lets ECS read."""
    return {
        arn.strip("<>").split("/")[-1]
        for each in statements(task(component), "ExecutionRole")
        if each["Sid"] == sid
        for arn in each["Resource"]
    }


def test_compact_control_plane_is_one_task_of_the_three_containers() -> None:
    stack = compact().child("ControlPlaneStack")
    properties = stack.properties("TaskDefinition")
    containers = {each["Name"]: each for each in properties["ContainerDefinitions"]}

    assert list(containers) == list(CONTROL_PLANE)
    assert properties["Family"] == "airflow-control-plane"
    for name, each in containers.items():
        alone = container(name)
        # As alone, but for its share of the task's memory and the forecast, which micro leaves out.
        assert each.pop("MemoryReservation") > 0
        expected = {k: v for k, v in variables(alone).items() if k != "STATE_BUCKET_NAME"}
        # The class decides.
        assert expected.pop("EMIT_METRICS") == "true"
        assert variables(each) == {**expected, "EMIT_METRICS": "false"}
        for key in ("Command", "StopTimeout", "HealthCheck", "Secrets", "Essential"):
            assert str(each[key]) == str(alone[key]), key
    assert actions(stack) == set().union(*(actions(task(each)) for each in CONTROL_PLANE))


@pytest.mark.parametrize("size", ["512/1024", "512/2048", "256/1024"])
def test_memory_reservations_fit_into_the_smallest_compact_task(size: str) -> None:
    stack = deploy(SchedulerTasks=f"1x{size}").child("ControlPlaneStack")
    properties = stack.properties("TaskDefinition")
    reserved = [each["MemoryReservation"] for each in properties["ContainerDefinitions"]]

    assert f"{properties['Cpu']}/{properties['Memory']}" == size
    assert sum(reserved) <= int(properties["Memory"])


def test_result_backend_is_another_database_of_another_user() -> None:
    database = deploy().child("DatabaseStack")
    metadata, results = (
        database.properties(name)["SecretString"]
        for name in ("AirflowUrlSecret", "ResultBackendSecret")
    )

    host = "@<airflow/DatabaseStack/Database.Endpoint.Address>:"
    user, _, place = results.partition(host)
    assert user.startswith("db+postgresql+psycopg2://result_backend:{{resolve:secretsmanager:")
    assert "/ResultBackendPasswordSecret>}}" in user
    assert place.endswith("/result_backend")
    assert metadata.endswith("/airflow")
    assert metadata.startswith("postgresql+psycopg2://airflow_app:{{resolve:secretsmanager:")
    assert "/AirflowPasswordSecret>}}" in metadata


def test_no_container_gets_the_password_of_the_master_user() -> None:
    master = "DatabasePasswordSecret"
    database = deploy().child("DatabaseStack")
    assert master in str(database.properties("Database")["MasterUserPassword"])
    for name in ("AirflowUrlSecret", "ResultBackendSecret"):
        assert master not in str(database.properties(name))
    given = str([secrets(each) for each in STACKS])
    assert master not in given
    # The former version's URL, which contains it.
    assert "SqlAlchemyConnSecret" not in given
    # The role of a command's code, with which commands run that load DAG files.
    assert master not in str(statements(task("command"), "TaskRole"))


def test_rotation_may_write_every_secret_that_the_stack_made() -> None:
    plan = json.loads(environment("command")["ROTATION"])
    made = {
        f"<{stack.path}/{name}>"
        for stack in (separate().child("SecretsStack"), separate().child("DatabaseStack"))
        for name, resource in stack.resources.items()
        if resource["Type"] == "AWS::SecretsManager::Secret" and name != "SqlAlchemyConnSecret"
    }
    (writable,) = (
        statement["Resource"]
        for statement in statements(separate().child("CommandsStack"), "RotationTaskRole")
        if "secretsmanager:PutSecretValue" in statement["Action"]
    )

    assert set(plan["secrets"].values()) == made == set(writable)
    assert plan["worker_family"] == definition("worker")["Family"]
    assert plan["cluster"] == separate().child("ClusterStack").properties("Cluster")["ClusterName"]


@pytest.mark.parametrize(
    ("component", "own"),
    [
        ("api-server", {"s3:ListBucket", "s3:GetObject"}),
        (
            "scheduler",
            {
                "lambda:InvokeFunction",
                "s3:PutObject",
                "sqs:GetQueueAttributes",
                "sqs:SendMessage",
            },
        ),
        ("dag-processor", {"s3:GetObject", "s3:ListBucket", "s3:PutObject"}),
        ("triggerer", {"s3:GetObject", "s3:ListBucket", "s3:PutObject"}),
        (
            "worker",
            {
                "s3:GetObject",
                "s3:ListBucket",
                "s3:PutObject",
                "sqs:ChangeMessageVisibility",
                "sqs:DeleteMessage",
                "sqs:GetQueueAttributes",
                "sqs:ReceiveMessage",
            },
        ),
        (
            "command",
            {
                "ecs:DescribeServices",
                "ecs:DescribeTasks",
                "ecs:ListServices",
                "ecs:ListTasks",
                "ecs:UpdateService",
                "rds:CreateDBSnapshot",
                "rds:DescribeDBSnapshots",
                "s3:GetObject",
                "s3:ListBucket",
                "s3:PutObject",
            },
        ),
    ],
)
def test_permissions_are_only_those_that_the_component_needs(component: str, own: set[str]) -> None:
    assert actions(task(component)) == own | {"secretsmanager:GetSecretValue"}


def test_scheduler_worker_and_scaler_mean_the_same_queue() -> None:
    fleet = separate().child("FleetStack").properties("ScaleWorkersFunction")
    queue = separate().child("QueuesStack").properties("WorkerQueue")

    urls = {
        environment("scheduler")["WORKER_QUEUE_URL"],
        environment("worker")["WORKER_QUEUE_URL"],
        fleet["Environment"]["Variables"]["QUEUE_URL"],
    }
    assert urls == {"<airflow/QueuesStack/WorkerQueue.QueueUrl>"}
    # A message that no worker can finish is moved away, into a queue that nobody reads.
    assert queue["RedrivePolicy"] == {
        "deadLetterTargetArn": "<airflow/QueuesStack/WorkerDeadLetterQueue.Arn>",
        "maxReceiveCount": 10,
    }


@pytest.mark.parametrize(
    ("environment_class", "parameter", "service"),
    [
        ("micro", "ApiServerTasks", "ApiServerService"),
        ("micro", "SchedulerTasks", "ControlPlaneService"),
        ("small", "ApiServerTasks", "ApiServerService"),
        ("small", "SchedulerTasks", "SchedulerService"),
        ("small", "TriggererTasks", "TriggererService"),
    ],
)
def test_number_of_tasks_is_that_of_the_components_own_parameter(
    environment_class: str, parameter: str, service: str
) -> None:
    stack = deploy(EnvironmentClass=environment_class, **{parameter: "3x1024/3072"})
    resources = stack.child("ServicesStack").resources
    services = [name for name, each in resources.items() if each["Type"] == "AWS::ECS::Service"]
    counts = {
        name: str(stack.child("ServicesStack").properties(name)["DesiredCount"])
        for name in services
    }

    assert counts.pop(service) == "3"
    assert "3" not in counts.values()


def test_every_container_but_the_command_has_a_health_check() -> None:
    assert [each for each in STACKS if "HealthCheck" not in container(each)] == ["command"]
    assert container("scheduler")["HealthCheck"]["Command"][-1] == "scheduler"


def test_worker_gets_the_longest_stop_timeout() -> None:
    assert container("worker")["StopTimeout"] == 120
    assert container("worker")["Command"] == ["celery", "worker"]


def test_containers_and_families_bear_the_names_of_their_components() -> None:
    assert {each: container(each)["Name"] for each in STACKS} == {each: each for each in STACKS}
    assert {definition(each)["Family"] for each in STACKS} == {f"airflow-{each}" for each in STACKS}


def test_forecast_is_published_only_where_workers_start_ahead() -> None:
    with_forecast = task("scheduler")
    without = compact().child("ControlPlaneStack")
    bucket = environment("scheduler")["STATE_BUCKET_NAME"]

    (statement,) = (
        each for each in statements(with_forecast, "TaskRole") if "forecast" in str(each)
    )
    assert statement == {
        "Effect": "Allow",
        "Action": "s3:PutObject",
        "Resource": f"arn:<partition>:s3:::{bucket}/fleet/forecast.json",
    }
    assert "forecast" not in str(without.properties("TaskRole"))
    assert "STATE_BUCKET_NAME" not in str(without.properties("TaskDefinition"))


def test_worker_runs_as_many_tasks_as_its_size_says() -> None:
    large = deploy(EnvironmentClass="large").child("WorkerStack").properties("TaskDefinition")
    (only,) = large["ContainerDefinitions"]

    assert (large["Cpu"], large["Memory"]) == ("2048", "8192")
    assert variables(only)["AIRFLOW__CELERY__WORKER_CONCURRENCY"] == "16"
