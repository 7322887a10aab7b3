"""Workers of one isolated queue against those of another: the templates' own roles, real requests.

The roles are resolved from the templates and given to callers of the embedded AWS.
"""

import json
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from ..conftest import EmbeddedAws
from ..ecs_tasks import NETWORK
from ..roles import Caller, create_role, refused

# pytest's importlib mode does not find helpers of other folders.
sys.path.append(str(Path(__file__).parents[3] / "templates" / "support"))

ACCOUNT = "0" * 12
QUEUES = ("default", "heavy", "team-a", "team-b")
NAMES = "team-a:isolated,heavy,team-b:isolated"
VALUES = {
    "<partition>": "aws",
    "<region>": "us-east-1",
    "<account>": ACCOUNT,
    "<airflow/StorageStack/StateBucket>": "state",
    "<airflow/StorageStack/LogBucket>": "logs",
    "<airflow/StorageStack/DagBucket>": "dags",
}


@cache
def statements(path: str, role: str = "TaskRole") -> str:
    """The statements of a role of the deployed templates, as JSON."""
    from dry_deployment import deploy

    stack = deploy(EnvironmentClass="small", WorkerQueueNames=NAMES)
    for child in path.split("/"):
        stack = stack.child(child)
    found = [
        statement
        for policy in stack.properties(role)["Policies"]
        for statement in policy["PolicyDocument"]["Statement"]
    ]
    text = json.dumps(found)
    for token, value in VALUES.items():
        text = text.replace(token, value)
    return text


def caller_with(aws: EmbeddedAws, path: str, role: str = "TaskRole", **values: str) -> Caller:
    text = statements(path, role)
    for token, value in values.items():
        text = text.replace(f"<airflow/WorkerStack/{token}.Arn>", value)
    return Caller(aws, *json.loads(text))


@pytest.fixture(scope="module")
def queue_urls(embedded_aws: EmbeddedAws) -> dict[str, str]:
    """The queues of the stack with a message in each."""
    sqs = embedded_aws.client("sqs")
    urls = {
        queue: sqs.create_queue(QueueName=f"airflow-queue-{queue}")["QueueUrl"] for queue in QUEUES
    }
    for queue, url in urls.items():
        sqs.send_message(QueueUrl=url, MessageBody=f"for {queue}")
    return urls


@pytest.fixture(scope="module")
def secret_names(embedded_aws: EmbeddedAws) -> Iterator[list[str]]:
    names = [
        "airflow/connections/shared",
        "airflow/variables/shared",
        "airflow/config/smtp",
        "airflow/queues/team-a/connections/own",
        "airflow/queues/team-a/variables/own",
        "airflow/queues/team-b/connections/own",
    ]
    client = embedded_aws.client("secretsmanager")
    for name in names:
        client.create_secret(Name=name, SecretString=f"value of {name}")
    yield names
    for name in names:
        client.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)


def queue_arn(queue: str) -> str:
    return f"arn:aws:sqs:us-east-1:{ACCOUNT}:airflow-queue-{queue}"


TAKING: dict[str, Callable[[Any, str, str], Any]] = {
    "sqs:ReceiveMessage": lambda sqs, url, _: sqs.receive_message(QueueUrl=url),
    "sqs:DeleteMessage": lambda sqs, url, handle: sqs.delete_message(
        QueueUrl=url, ReceiptHandle=handle
    ),
    "sqs:ChangeMessageVisibility": lambda sqs, url, handle: sqs.change_message_visibility(
        QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=0
    ),
    "sqs:GetQueueAttributes": lambda sqs, url, _: sqs.get_queue_attributes(
        QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"]
    ),
}


@pytest.mark.parametrize(
    ("role", "others"),
    [
        ("WorkerStack/QueueRole1Stack", ("default", "heavy", "team-b")),
        ("WorkerStack/QueueRole3Stack", ("default", "heavy", "team-a")),
        ("WorkerStack", ("team-a", "team-b")),
    ],
)
def test_worker_cannot_take_see_or_end_messages_of_another_isolated_queue(
    embedded_aws: EmbeddedAws, queue_urls: dict[str, str], role: str, others: tuple[str, ...]
) -> None:
    sqs = caller_with(embedded_aws, role).client("sqs")
    administrator = embedded_aws.client("sqs")

    for queue in others:
        url = queue_urls[queue]
        received = administrator.receive_message(QueueUrl=url, VisibilityTimeout=1)
        handle = (received.get("Messages") or [{"ReceiptHandle": "none"}])[0]["ReceiptHandle"]
        for action, call in TAKING.items():
            with refused_by_sqs(action, queue):
                call(sqs, url, handle)


def refused_by_sqs(action: str, queue: str) -> Any:
    return refused(action, queue_arn(queue))


@pytest.mark.parametrize(
    ("role", "own"),
    [
        ("WorkerStack/QueueRole1Stack", ("team-a",)),
        ("WorkerStack/QueueRole3Stack", ("team-b",)),
        ("WorkerStack", ("default", "heavy")),
    ],
)
def test_worker_takes_and_ends_messages_of_its_own_queue(
    embedded_aws: EmbeddedAws, queue_urls: dict[str, str], role: str, own: tuple[str, ...]
) -> None:
    sqs = caller_with(embedded_aws, role).client("sqs")

    for queue in own:
        url = queue_urls[queue]
        sent = embedded_aws.client("sqs").send_message(QueueUrl=url, MessageBody="another")
        assert sent["MessageId"]
        sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
        (message, *_) = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=5)["Messages"]
        handle = message["ReceiptHandle"]
        sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=60)
        sqs.delete_message(QueueUrl=url, ReceiptHandle=handle)


@pytest.mark.parametrize(
    ("role", "readable"),
    [
        (
            "WorkerStack/QueueRole1Stack",
            {"airflow/queues/team-a/connections/own", "airflow/queues/team-a/variables/own"},
        ),
        ("WorkerStack/QueueRole3Stack", {"airflow/queues/team-b/connections/own"}),
        ("WorkerStack", {"airflow/connections/shared", "airflow/variables/shared"}),
        ("ApiServerStack", {"airflow/connections/shared", "airflow/variables/shared"}),
        ("SchedulerStack", {"airflow/connections/shared", "airflow/variables/shared"}),
        ("DagProcessorStack", {"airflow/connections/shared", "airflow/variables/shared"}),
        ("TriggererStack", {"airflow/connections/shared", "airflow/variables/shared"}),
        ("CommandStack", {"airflow/connections/shared", "airflow/variables/shared"}),
    ],
)
def test_role_reads_exactly_its_own_secrets(
    embedded_aws: EmbeddedAws, secret_names: list[str], role: str, readable: set[str]
) -> None:
    client = caller_with(embedded_aws, role).client("secretsmanager")

    read = set()
    for name in secret_names:
        try:
            client.get_secret_value(SecretId=name)
        except client.exceptions.ClientError as error:
            assert error.response["Error"]["Code"] == "AccessDeniedException"
        else:
            read.add(name)
    assert read == readable | {"airflow/config/smtp"}


@pytest.mark.parametrize("role", ["WorkerStack", "ApiServerStack"])
def test_shared_role_reads_no_secret_of_a_queue_when_it_is_given_more(
    embedded_aws: EmbeddedAws, secret_names: list[str], queue_urls: dict[str, str], role: str
) -> None:
    """As when somebody attaches SecretsManagerReadWrite to it."""
    caller = caller_with(embedded_aws, role)
    caller.may(
        *json.loads(statements(role)), {"Action": ["secretsmanager:GetSecretValue", "sqs:*"]}
    )

    with pytest.raises(Exception, match="explicit deny"):
        caller.client("secretsmanager").get_secret_value(SecretId=secret_names[3])
    if role == "WorkerStack":
        with pytest.raises(Exception, match="explicit deny"):
            caller.client("sqs").receive_message(QueueUrl=queue_urls["team-a"])


def test_worker_cannot_send_a_task_start_a_task_or_read_the_state_of_fleets(
    embedded_aws: EmbeddedAws, queue_urls: dict[str, str]
) -> None:
    s3 = embedded_aws.client("s3")
    s3.create_bucket(Bucket="state")
    for key in ("fleet/drain.json", "fleet/team-b/state.json"):
        s3.put_object(Bucket="state", Key=key, Body=b"{}")
    caller = caller_with(embedded_aws, "WorkerStack/QueueRole1Stack")

    caller.client("s3").get_object(Bucket="state", Key="fleet/drain.json")
    with pytest.raises(Exception, match="AccessDenied"):
        caller.client("s3").get_object(Bucket="state", Key="fleet/team-b/state.json")
    for queue in ("team-a", "team-b"):
        with refused("sqs:SendMessage", queue_arn(queue)):
            caller.client("sqs").send_message(QueueUrl=queue_urls[queue], MessageBody="task")
    with refused("ecs:RunTask"):
        caller.client("ecs").run_task(cluster="airflow", taskDefinition="airflow-worker:1")


def test_scaler_passes_the_roles_of_workers_and_no_other(embedded_aws: EmbeddedAws) -> None:
    roles = {
        name: create_role(embedded_aws, "ecs-tasks.amazonaws.com")
        for name in (
            "TaskRole",
            "ExecutionRole",
            "QueueRole1Stack/TaskRole",
            "QueueRole3Stack/TaskRole",
        )
    }
    other = create_role(embedded_aws, "ecs-tasks.amazonaws.com", Action="*")
    caller = caller_with(embedded_aws, "FleetStack", "ScaleWorkersRole", **roles)
    ecs = embedded_aws.client("ecs")
    ecs.create_cluster(clusterName="airflow")
    definition = ecs.register_task_definition(
        family="airflow-worker", networkMode="awsvpc", requiresCompatibilities=["FARGATE"],
        cpu="256", memory="512", taskRoleArn=roles["TaskRole"],
        executionRoleArn=roles["ExecutionRole"],
        containerDefinitions=[{"name": "worker", "image": "local/sh:1", "command": ["true"]}],
    )["taskDefinition"]["taskDefinitionArn"]  # fmt: skip

    def run(**overrides: str) -> None:
        caller.client("ecs").run_task(
            cluster="airflow", taskDefinition=definition, launchType="FARGATE",
            networkConfiguration=NETWORK, overrides=overrides,
        )  # fmt: skip

    run()
    for queue in ("QueueRole1Stack/TaskRole", "QueueRole3Stack/TaskRole"):
        run(taskRoleArn=roles[queue])
    with refused("iam:PassRole", other):
        run(taskRoleArn=other)
    with refused("iam:PassRole", other):
        run(executionRoleArn=other)
