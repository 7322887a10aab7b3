"""What DAG code can do in AWS: with the role of a worker, and with that of the dag-processor."""

import json

import pytest
from botocore.exceptions import ClientError

from tests.attacks.callers import with_role
from tests.attacks.reduced_stack import ReducedStack
from tests.integration.embedded_aws.conftest import EmbeddedAws
from tests.integration.embedded_aws.roles import Caller, refused


@pytest.fixture
def task(aws: EmbeddedAws, stack: ReducedStack) -> Caller:
    """The code of a task on a worker."""
    return with_role(aws, stack, "WorkerStack/TaskRole")


@pytest.fixture
def parser(aws: EmbeddedAws, stack: ReducedStack) -> Caller:
    """The code of a DAG file while it is parsed; in class micro it shares the scheduler's role."""
    nested = "ControlPlaneStack" if "ControlPlaneStack" in stack.nested else "DagProcessorStack"
    return with_role(aws, stack, f"{nested}/TaskRole")


@pytest.fixture(params=["task", "parser"])
def code(request: pytest.FixtureRequest) -> Caller:
    caller: Caller = request.getfixturevalue(request.param)
    return caller


# ---- Both ----


def test_no_secret_of_the_stack_is_read(stack: ReducedStack, code: Caller) -> None:
    for arn in stack.secrets:
        with refused("secretsmanager:GetSecretValue", arn):
            code.client("secretsmanager").get_secret_value(SecretId=arn)


def test_connection_of_another_stack_is_not_read(
    aws: EmbeddedAws, stack: ReducedStack, code: Caller
) -> None:
    for name in ("another/connections/one", f"{stack.name}2/connections/one"):
        admin = aws.client("secretsmanager")
        try:
            arn = admin.create_secret(Name=name, SecretString="value")["ARN"]
        except admin.exceptions.ResourceExistsException:
            arn = admin.describe_secret(SecretId=name)["ARN"]
        with refused("secretsmanager:GetSecretValue"):
            code.client("secretsmanager").get_secret_value(SecretId=arn)


def test_release_is_not_written(stack: ReducedStack, code: Caller) -> None:
    bucket = stack.id("StorageStack/DagBucket")
    for key in (
        "releases/current.json",
        "releases/20260101T000000Z-abc/manifest.json",
        "releases/archives/20260101T000000Z-abc",
        "dags/planted.py",
        "dags/.airflowignore",
        "inbox/planted.zip",
    ):
        with refused("s3:PutObject", f"arn:aws:s3:::{bucket}/{key}"):
            code.client("s3").put_object(Bucket=bucket, Key=key, Body=b"{}")
        with refused("s3:DeleteObject", f"arn:aws:s3:::{bucket}/{key}"):
            code.client("s3").delete_object(Bucket=bucket, Key=key)


def test_response_url_of_a_deployment_is_not_read(
    aws: EmbeddedAws, stack: ReducedStack, code: Caller
) -> None:
    bucket = stack.id("StorageStack/StateBucket")
    aws.client("s3").put_object(Bucket=bucket, Key="commands/one.json", Body=b"https://response")
    with refused("s3:GetObject", f"arn:aws:s3:::{bucket}/commands/one.json"):
        code.client("s3").get_object(Bucket=bucket, Key="commands/one.json")


def test_workers_are_not_told_to_drain(stack: ReducedStack, code: Caller) -> None:
    bucket = stack.id("StorageStack/StateBucket")
    for key in ("fleet/current.json", "fleet/default/state.json", "upgrades/current.json"):
        with refused("s3:PutObject", f"arn:aws:s3:::{bucket}/{key}"):
            code.client("s3").put_object(Bucket=bucket, Key=key, Body=b"{}")


def test_command_is_not_run(stack: ReducedStack, code: Caller) -> None:
    """With the roles of commands it could reset the administrator's password."""
    with refused("lambda:InvokeFunction"):
        code.client("lambda").invoke(
            FunctionName=stack.id("CommandsStack/RunAirflowCommandFunction"),
            Payload=json.dumps({"command": ["users", "list"]}).encode(),
        )
    with refused("ecs:RunTask"):
        code.client("ecs").run_task(
            cluster=stack.name,
            taskDefinition=stack.id("CommandStack/TaskDefinition"),
            launchType="FARGATE",
            networkConfiguration={"awsvpcConfiguration": {"subnets": ["subnet-1"]}},
        )


def test_permissions_are_not_extended(stack: ReducedStack, code: Caller) -> None:
    role = stack.id("WorkerStack/TaskRole")
    everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [everything]})
    with refused("iam:PutRolePolicy"):
        code.client("iam").put_role_policy(RoleName=role, PolicyName="x", PolicyDocument=policy)
    with refused("sqs:SetQueueAttributes"):
        code.client("sqs").set_queue_attributes(
            QueueUrl=stack.id("QueuesStack/WorkerQueue"), Attributes={"Policy": policy}
        )
    with refused("s3:PutBucketPolicy"):
        code.client("s3").put_bucket_policy(
            Bucket=stack.id("StorageStack/DagBucket"), Policy=policy
        )
    with refused("cloudformation:UpdateStack"):
        code.client("cloudformation").update_stack(
            StackName=stack.name, UsePreviousTemplate=True, Capabilities=["CAPABILITY_IAM"]
        )


# ---- A task ----


def test_task_queues_no_task(stack: ReducedStack, task: Caller) -> None:
    sqs, queue = task.client("sqs"), stack.id("QueuesStack/WorkerQueue")
    with refused("sqs:SendMessage"):
        sqs.send_message(QueueUrl=queue, MessageBody="{}")
    with refused("sqs:PurgeQueue"):
        sqs.purge_queue(QueueUrl=queue)


def test_task_starts_no_worker(stack: ReducedStack, task: Caller) -> None:
    with refused("lambda:InvokeFunction"):
        task.client("lambda").invoke(
            FunctionName=stack.id("FleetStack/ScaleWorkersFunction"), Payload=b'{"pause": true}'
        )


def test_task_removes_no_log(aws: EmbeddedAws, stack: ReducedStack, task: Caller) -> None:
    bucket = stack.id("StorageStack/LogBucket")
    put = aws.client("s3").put_object(Bucket=bucket, Key="logs/of-another.log", Body=b"first")
    with refused("s3:DeleteObject"):
        task.client("s3").delete_object(Bucket=bucket, Key="logs/of-another.log")
    with pytest.raises(ClientError, match="AccessDenied"):
        task.client("s3").delete_object(
            Bucket=bucket, Key="logs/of-another.log", VersionId=put["VersionId"]
        )


def test_limit_task_overwrites_a_log_of_which_the_first_version_is_kept(
    aws: EmbeddedAws, stack: ReducedStack, task: Caller
) -> None:
    bucket, key = stack.id("StorageStack/LogBucket"), "logs/of-another-task.log"
    put = aws.client("s3").put_object(Bucket=bucket, Key=key, Body=b"first")
    task.client("s3").put_object(Bucket=bucket, Key=key, Body=b"second")
    assert task.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read() == b"second"
    kept = aws.client("s3").get_object(Bucket=bucket, Key=key, VersionId=put["VersionId"])
    assert kept["Body"].read() == b"first"


def test_limit_task_takes_the_message_of_another_task(
    aws: EmbeddedAws, stack: ReducedStack, task: Caller
) -> None:
    queue = stack.id("QueuesStack/WorkerQueue")
    aws.client("sqs").send_message(QueueUrl=queue, MessageBody="a task and its token")
    (message,) = task.client("sqs").receive_message(QueueUrl=queue)["Messages"]
    task.client("sqs").delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])


def test_limit_task_reads_every_connection_of_its_stack(
    aws: EmbeddedAws, stack: ReducedStack, task: Caller
) -> None:
    name = f"{stack.name}/connections/of-another-team"
    aws.client("secretsmanager").create_secret(Name=name, SecretString="a value")
    found = task.client("secretsmanager").get_secret_value(SecretId=name)
    assert found["SecretString"] == "a value"


# ---- The parsing of a DAG file ----


def test_parsing_queues_a_task_only_in_the_compact_control_plane(
    aws: EmbeddedAws, stack: ReducedStack, parser: Caller
) -> None:
    """A documented limit of class micro: scheduler and dag-processor share one role."""
    sqs, queue = parser.client("sqs"), stack.id("QueuesStack/WorkerQueue")
    if stack.name == "micro":
        assert sqs.send_message(QueueUrl=queue, MessageBody="{}")["MessageId"]
        aws.client("sqs").purge_queue(QueueUrl=queue)
    else:
        with refused("sqs:SendMessage"):
            sqs.send_message(QueueUrl=queue, MessageBody="{}")


def test_parsing_takes_no_message(stack: ReducedStack, parser: Caller) -> None:
    with refused("sqs:ReceiveMessage"):
        parser.client("sqs").receive_message(QueueUrl=stack.id("QueuesStack/WorkerQueue"))


def test_limit_parsing_forges_the_report_of_releases_in_use(
    stack: ReducedStack, parser: Caller
) -> None:
    """It keeps releases from being removed, or lets the publisher remove one that runs need."""
    bucket = stack.id("StorageStack/DagBucket")
    parser.client("s3").put_object(Bucket=bucket, Key="releases/in-use.json", Body=b"{}")
