"""A principal of the account that may read: AWS's ReadOnlyAccess, as auditors and scanners have."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.attacks.callers import read_only
from tests.attacks.reduced_stack import ReducedStack
from tests.integration.embedded_aws.conftest import EmbeddedAws
from tests.integration.embedded_aws.roles import Caller, refused

ACCOUNT = "0" * 12


@pytest.fixture
def reader(aws: EmbeddedAws) -> Caller:
    return read_only(aws)


def found_in(text: str, stack: ReducedStack) -> list[str]:
    """The secrets whose values are in a text; a URL is found by its password, too."""
    return [arn for arn, value in stack.secrets.items() if value in text]


def test_secret_is_not_read(stack: ReducedStack, reader: Caller) -> None:
    secrets = reader.client("secretsmanager")
    assert len(stack.secrets) >= 11
    for arn in stack.secrets:
        with refused("secretsmanager:GetSecretValue", arn):
            secrets.get_secret_value(SecretId=arn)
        assert "SecretString" not in secrets.describe_secret(SecretId=arn)


def test_secret_is_not_replaced(stack: ReducedStack, reader: Caller) -> None:
    arn = stack.id("SecretsStack/JwtSecret")
    with refused("secretsmanager:PutSecretValue", arn):
        reader.client("secretsmanager").put_secret_value(SecretId=arn, SecretString="x" * 64)


def test_task_definitions_contain_no_secret(stack: ReducedStack, reader: Caller) -> None:
    ecs = reader.client("ecs")
    described = [
        ecs.describe_task_definition(taskDefinition=each)["taskDefinition"]
        for each in stack.ids("AWS::ECS::TaskDefinition")
    ]
    text = json.dumps(described, default=str)
    assert "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN" in text
    assert found_in(text, stack) == []


def test_functions_contain_no_secret(stack: ReducedStack, reader: Caller) -> None:
    client = reader.client("lambda")
    functions = stack.ids("AWS::Lambda::Function")
    text = json.dumps([client.get_function(FunctionName=each) for each in functions])
    assert "STATE_BUCKET_NAME" in text
    assert found_in(text, stack) == []


def described_stacks(reader: Caller, stack: ReducedStack) -> Iterator[Any]:
    client = reader.client("cloudformation")
    for name in (stack.stack.id, *stack.nested.values()):
        # Parameters and outputs.
        yield client.describe_stacks(StackName=name)["Stacks"]
        yield client.describe_stack_events(StackName=name)["StackEvents"]
        yield client.describe_stack_resources(StackName=name)["StackResources"]
        yield client.get_template(StackName=name)["TemplateBody"]


def test_stacks_contain_no_secret(stack: ReducedStack, reader: Caller) -> None:
    text = json.dumps(list(described_stacks(reader, stack)), default=str)
    assert "SqlAlchemyConnSecretArn" in text
    assert found_in(text, stack) == []


def test_role_of_the_stack_is_not_assumed(stack: ReducedStack, reader: Caller) -> None:
    """Its trust policy names a service, so a principal that may assume every role cannot either."""
    reader.may({"Action": "sts:AssumeRole"})
    for name in stack.ids("AWS::IAM::Role"):
        arn = f"arn:aws:iam::{ACCOUNT}:role/{name}"
        with pytest.raises(ClientError, match="AccessDenied"):
            reader.client("sts").assume_role(RoleArn=arn, RoleSessionName="reader")


def test_dag_is_not_uploaded(stack: ReducedStack, reader: Caller) -> None:
    bucket = stack.id("StorageStack/DagBucket")
    for key in ("dags/planted.py", "inbox/planted.zip", "releases/current.json"):
        with refused("s3:PutObject", f"arn:aws:s3:::{bucket}/{key}"):
            reader.client("s3").put_object(Bucket=bucket, Key=key, Body=b"import os")


def test_task_is_not_queued(stack: ReducedStack, reader: Caller) -> None:
    with refused("sqs:SendMessage"):
        reader.client("sqs").send_message(
            QueueUrl=stack.id("QueuesStack/WorkerQueue"), MessageBody="{}"
        )


@pytest.mark.parametrize(
    "path", ["CommandsStack/RunAirflowCommandFunction", "FleetStack/ScaleWorkersFunction"]
)
def test_function_is_not_called(stack: ReducedStack, reader: Caller, path: str) -> None:
    with refused("lambda:InvokeFunction"):
        reader.client("lambda").invoke(
            FunctionName=stack.id(path), Payload=b'{"command": ["users", "list"]}'
        )


# ---- Documented limits: what SECURITY.md says that such a principal can do ----


def test_limit_response_url_of_a_deployment_is_read(
    aws: EmbeddedAws, stack: ReducedStack, reader: Caller
) -> None:
    bucket = stack.id("StorageStack/StateBucket")
    aws.client("s3").put_object(Bucket=bucket, Key="commands/one.json", Body=b"https://response")
    found = reader.client("s3").get_object(Bucket=bucket, Key="commands/one.json")["Body"].read()
    assert found == b"https://response"


def test_limit_dag_files_and_task_logs_are_read(
    aws: EmbeddedAws, stack: ReducedStack, reader: Caller
) -> None:
    for path, key in (
        ("StorageStack/DagBucket", "dags/one.py"),
        ("StorageStack/LogBucket", "logs/one.log"),
    ):
        bucket = stack.id(path)
        aws.client("s3").put_object(Bucket=bucket, Key=key, Body=b"text")
        assert reader.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read() == b"text"


def test_limit_message_of_a_task_is_received(
    aws: EmbeddedAws, stack: ReducedStack, reader: Caller
) -> None:
    """ReadOnlyAccess has sqs:ReceiveMessage: the message is hidden from workers meanwhile."""
    queue = stack.id("QueuesStack/WorkerQueue")
    aws.client("sqs").send_message(QueueUrl=queue, MessageBody="a task and its token")
    sqs = reader.client("sqs")
    (message,) = sqs.receive_message(QueueUrl=queue)["Messages"]
    assert message["Body"] == "a task and its token"
    assert not aws.client("sqs").receive_message(QueueUrl=queue).get("Messages")
    # It cannot be removed, so a worker gets it when its time is over.
    with refused("sqs:DeleteMessage"):
        sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    aws.client("sqs").purge_queue(QueueUrl=queue)
