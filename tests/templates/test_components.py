"""What each component's container gets: its command, its environment, its secrets, its rights."""

import json
from functools import cache
from typing import Any

import pytest
from dry_deployment import deploy

STACKS = {
    "api-server": "ApiServerStack",
    "scheduler": "SchedulerStack",
    "dag-processor": "DagProcessorStack",
    "triggerer": "TriggererStack",
    "worker": "WorkerStack",
    "command": "CommandStack",
}
EVERYWHERE = {
    "AIRFLOW__API__BASE_URL",
    "AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__REGION",
    "AIRFLOW__CELERY__WORKER_CONCURRENCY",
    "AIRFLOW__CORE__EXECUTION_API_SERVER_URL",
    "AIRFLOW__LOGGING__REMOTE_BASE_LOG_FOLDER",
    "AIRFLOW__SECRETS__BACKEND_KWARGS",
    "COMPONENT",
    "DAG_BUCKET_NAME",
    "DAG_RELEASE_PREFIX",
    "WORKER_QUEUE_URL",
}
TRUSTED = {
    "AIRFLOW__API__SECRET_KEY": "ApiSecretKeySecret",
    "AIRFLOW__API_AUTH__JWT_SECRET": "JwtSecret",
    "AIRFLOW__CORE__FERNET_KEY": "FernetKeySecret",
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "SqlAlchemyConnSecret",
}
RESULT_BACKEND = {"AIRFLOW__CELERY__RESULT_BACKEND": "ResultBackendSecret"}


@cache
def definition(component: str) -> dict[str, Any]:
    stack = deploy().child("AirflowStack").child(STACKS[component])
    return stack.properties("TaskDefinition")


def container(component: str) -> dict[str, Any]:
    (only,) = definition(component)["ContainerDefinitions"]
    return dict(only)


def environment(component: str) -> dict[str, str]:
    return {each["Name"]: each["Value"] for each in container(component)["Environment"]}


def secrets(component: str) -> dict[str, str]:
    """Variable → logical id of the secret."""
    return {
        each["Name"]: each["ValueFrom"].strip("<>").split("/")[-1]
        for each in container(component)["Secrets"]
    }


def actions(component: str) -> set[str]:
    """What the component's code may do."""
    role = deploy().child("AirflowStack").child(STACKS[component]).properties("TaskRole")
    return {
        action
        for policy in role["Policies"]
        for statement in policy["PolicyDocument"]["Statement"]
        for action in (
            [statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"]
        )
    }


@pytest.mark.parametrize(
    ("component", "own"),
    [
        ("api-server", set()),
        ("scheduler", {"WORKER_SCALER_FUNCTION_NAME"}),
        ("dag-processor", set()),
        ("triggerer", set()),
        ("worker", {"WORKER_DRAIN_OBJECT", "WORKER_IDLE_TIMEOUT_SECONDS"}),
        (
            "command",
            {
                "ADMIN_EMAIL",
                "ADMIN_USERNAME",
                "DATABASE_INSTANCE_TO_SNAPSHOT",
                "ROTATION",
                "STATE_BUCKET_NAME",
            },
        ),
    ],
)
def test_environment_is_the_common_one_and_its_own_when_a_component_starts(
    component: str, own: set[str]
) -> None:
    assert set(environment(component)) == EVERYWHERE | own
    assert environment(component)["COMPONENT"] == component


def test_environment_differs_only_in_its_own_part_when_components_are_compared() -> None:
    common = [
        {name: environment(each)[name] for name in EVERYWHERE - {"COMPONENT"}} for each in STACKS
    ]

    assert all(each == common[0] for each in common)
    assert common[0]["WORKER_QUEUE_URL"] == "<airflow/BrokerStack/WorkerQueue.QueueUrl>"
    assert json.loads(common[0]["AIRFLOW__SECRETS__BACKEND_KWARGS"]) == {
        "connections_prefix": "airflow/connections",
        "variables_prefix": "airflow/variables",
        "config_prefix": "airflow/config",
    }


def test_only_scheduler_and_worker_learn_of_queues_when_there_are_several() -> None:
    airflow = deploy(WorkerQueueNames="heavy").child("AirflowStack")
    told = {}
    for component, stack in STACKS.items():
        (only,) = airflow.child(stack).properties("TaskDefinition")["ContainerDefinitions"]
        variables = {each["Name"]: each["Value"] for each in only["Environment"]}
        if "WORKER_QUEUE_NAMES" in variables:
            told[component] = (variables["WORKER_QUEUE_NAMES"], variables["WORKER_QUEUE_PREFIX"])

    assert told == dict.fromkeys(("scheduler", "worker"), ("heavy", "airflow-queue-"))


@pytest.mark.parametrize(
    ("component", "expected"),
    [
        ("api-server", TRUSTED),
        ("scheduler", TRUSTED | RESULT_BACKEND),
        ("dag-processor", TRUSTED),
        ("triggerer", TRUSTED),
        ("worker", {"AIRFLOW__API__SECRET_KEY": "ApiSecretKeySecret"} | RESULT_BACKEND),
        ("command", TRUSTED | RESULT_BACKEND | {"ADMIN_PASSWORD": "AdminPasswordSecret"}),
    ],
)
def test_secrets_are_only_the_needed_ones_when_a_component_starts(
    component: str, expected: dict[str, str]
) -> None:
    assert secrets(component) == expected
    # Its execution role may read these and no others.
    role = deploy().child("AirflowStack").child(STACKS[component]).properties("ExecutionRole")
    statements = role["Policies"][0]["PolicyDocument"]["Statement"]
    (readable,) = (each["Resource"] for each in statements if each["Sid"] == "InjectSecrets")
    assert {arn.strip("<>").split("/")[-1] for arn in readable} == set(expected.values())


def test_result_backend_is_another_database_of_another_user_when_urls_are_composed() -> None:
    database = deploy().child("DatabaseStack")
    metadata, results = (
        database.properties(name)["SecretString"]
        for name in ("SqlAlchemyConnSecret", "ResultBackendSecret")
    )

    host = "@<airflow/DatabaseStack/Database.Endpoint.Address>:"
    user, _, place = results.partition(host)
    assert user.startswith("db+postgresql+psycopg2://result_backend:{{resolve:secretsmanager:")
    assert "/ResultBackendPasswordSecret>}}" in user
    assert place.endswith("/result_backend")
    assert metadata.endswith("/airflow")
    assert "/DatabasePasswordSecret>}}" in metadata


def test_rotation_reaches_every_secret_and_may_write_it_when_it_runs() -> None:
    plan = json.loads(environment("command")["ROTATION"])
    made = {
        f"<{stack.path}/{name}>"
        for stack in (deploy().child("SecretsStack"), deploy().child("DatabaseStack"))
        for name, resource in stack.resources.items()
        if resource["Type"] == "AWS::SecretsManager::Secret"
    }
    role = deploy().child("AirflowStack").child("RotationStack").properties("TaskRole")
    (writable,) = (
        statement["Resource"]
        for statement in role["Policies"][0]["PolicyDocument"]["Statement"]
        if "secretsmanager:PutSecretValue" in statement["Action"]
    )

    assert set(plan["secrets"].values()) == made == set(writable)
    assert plan["worker_family"] == definition("worker")["Family"]


@pytest.mark.parametrize(
    ("component", "own"),
    [
        ("api-server", {"s3:ListBucket", "s3:GetObject"}),
        (
            "scheduler",
            {
                "lambda:InvokeFunction",
                "sqs:GetQueueAttributes",
                "sqs:GetQueueUrl",
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
                "sqs:GetQueueUrl",
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
def test_rights_are_only_the_needed_ones_when_a_component_runs(
    component: str, own: set[str]
) -> None:
    common = {each for each in actions(component) if each.startswith("ssmmessages:")}

    assert actions(component) == own | common | {"secretsmanager:GetSecretValue"}


def test_only_the_command_goes_unasked_when_containers_are_checked() -> None:
    assert [each for each in STACKS if "HealthCheck" not in container(each)] == ["command"]
    assert container("scheduler")["HealthCheck"]["Command"][-1] == "scheduler"


def test_worker_has_the_longest_goodbye_when_it_is_stopped() -> None:
    assert container("worker")["StopTimeout"] == 120
    assert container("worker")["Command"] == ["celery", "worker"]
    assert {container(each)["Name"] for each in STACKS} == {"airflow"}
    assert {definition(each)["Family"] for each in STACKS} == {f"airflow-{each}" for each in STACKS}


@pytest.mark.parametrize(
    ("ahead", "announces"), [({}, False), ({"WorkerAheadMaxCount": "5"}, True)]
)
def test_only_the_scheduler_announces_runs_when_workers_start_ahead(
    ahead: dict[str, str], announces: bool
) -> None:
    told = {}
    for component, name in STACKS.items():
        stack = deploy(**ahead).child("AirflowStack").child(name)
        (only,) = stack.properties("TaskDefinition")["ContainerDefinitions"]
        values = {each["Name"]: each["Value"] for each in only["Environment"]}
        policies = {
            policy["PolicyName"]: policy["PolicyDocument"]["Statement"]
            for policy in stack.properties("TaskRole")["Policies"]
        }
        told[component] = (values.get("WORKER_FORECAST_OBJECT"), policies.get("announce-runs"))
    address, statements = told.pop("scheduler")
    assert set(told.values()) == {(None, None)}
    if not announces:
        assert (address, statements) == (None, None)
        return
    assert address
    assert statements == [
        {
            "Effect": "Allow",
            "Action": "s3:PutObject",
            "Resource": address.replace("s3://", "arn:<partition>:s3:::"),
        }
    ]
    assert address.endswith("/fleet/forecast.json")
