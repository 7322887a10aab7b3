"""The resources and condition keys of requests to services other than ECS."""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ..conftest import REGION, EmbeddedAws
from ..roles import Caller, create_role, document_of, refused
from ..stack_driver import StackDriver

ACCOUNT = "0" * 12
SCHEDULER = "scheduler.amazonaws.com"


@pytest.fixture
def caller(embedded_aws: EmbeddedAws) -> Caller:
    return Caller(embedded_aws)


@pytest.fixture
def name() -> str:
    return f"test-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def bucket(embedded_aws: EmbeddedAws, name: str) -> Iterator[str]:
    s3 = embedded_aws.client("s3")
    s3.create_bucket(Bucket=name)
    for key in ("there/is one", "folder/"):
        s3.put_object(Bucket=name, Key=key, Body=b"1")
    yield name


def arn(service: str, resource: str) -> str:
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{resource}"


# ---- EventBridge Scheduler ----


def schedule(group: str, role: str) -> dict[str, Any]:
    return {
        "Name": "tick",
        "GroupName": group,
        "ScheduleExpression": "rate(1 day)",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "Target": {"Arn": arn("lambda", "function:none"), "RoleArn": role},
    }


def passing(role: str, service: str) -> dict[str, Any]:
    condition = {"StringEquals": {"iam:PassedToService": service}}
    return {"Action": "iam:PassRole", "Resource": role, "Condition": condition}


def test_schedule_is_decided_on_in_its_group(
    embedded_aws: EmbeddedAws, caller: Caller, name: str
) -> None:
    role = create_role(embedded_aws, SCHEDULER)
    for group in (name, f"{name}-2"):
        embedded_aws.client("scheduler").create_schedule_group(Name=group)
    own = {"Action": "scheduler:*", "Resource": arn("scheduler", f"schedule/{name}/tick")}
    caller.may(own, passing(role, SCHEDULER))
    client = caller.client("scheduler")

    client.create_schedule(**schedule(name, role))
    client.get_schedule(Name="tick", GroupName=name)
    client.update_schedule(**schedule(name, role))
    client.delete_schedule(Name="tick", GroupName=name)
    other = arn("scheduler", f"schedule/{name}-2/tick")
    with refused("scheduler:CreateSchedule", other):
        client.create_schedule(**schedule(f"{name}-2", role))
    with refused("scheduler:DeleteSchedule", other):
        client.delete_schedule(Name="tick", GroupName=f"{name}-2")


@pytest.mark.parametrize("service", ["", "lambda.amazonaws.com"])
def test_schedule_needs_to_pass_its_role_to_the_scheduler(
    embedded_aws: EmbeddedAws, caller: Caller, service: str
) -> None:
    role = create_role(embedded_aws, SCHEDULER)
    caller.may({"Action": "scheduler:*"}, *([passing(role, service)] if service else []))

    with refused("iam:PassRole", role):
        caller.client("scheduler").create_schedule(**schedule("default", role))


def test_schedule_needs_a_role_that_trusts_the_scheduler(embedded_aws: EmbeddedAws) -> None:
    role = create_role(embedded_aws, "lambda.amazonaws.com")

    with pytest.raises(ClientError, match="must allow AWS EventBridge Scheduler to assume"):
        embedded_aws.client("scheduler").create_schedule(**schedule("default", role))


# ---- CloudWatch Logs ----


def test_log_group_is_named_with_its_streams(
    embedded_aws: EmbeddedAws, caller: Caller, name: str
) -> None:
    logs = embedded_aws.client("logs")
    logs.create_log_group(logGroupName=name)
    logs.create_log_stream(logGroupName=name, logStreamName="one/two")
    event = {"timestamp": 1, "message": "text"}
    group = arn("logs", f"log-group:{name}")
    caller.may({"Action": "logs:*", "Resource": f"{group}:*"})
    client = caller.client("logs")

    client.create_log_stream(logGroupName=name, logStreamName="three")
    client.put_log_events(logGroupName=name, logStreamName="three", logEvents=[event])
    client.get_log_events(logGroupName=name, logStreamName="one/two")
    caller.may({"Action": "logs:*", "Resource": group})
    with refused("logs:GetLogEvents", f"{group}:log-stream:one/two"):
        client.get_log_events(logGroupName=name, logStreamName="one/two")
    with refused("logs:CreateLogStream", f"{group}:log-stream:"):
        client.create_log_stream(logGroupName=name, logStreamName="four")


# ---- IAM ----


def test_service_linked_role_is_decided_on_by_its_service(
    embedded_aws: EmbeddedAws, caller: Caller
) -> None:
    path = f"arn:aws:iam::{ACCOUNT}:role/aws-service-role/"
    of_ecs = {"StringEquals": {"iam:AWSServiceName": "ecs.amazonaws.com"}}
    action = "iam:CreateServiceLinkedRole"
    resource = f"{path}ecs.amazonaws.com/*"
    caller.may(
        {"Action": action, "Resource": resource, "Condition": of_ecs},
        {"Action": "iam:GetRole", "Resource": resource},
    )
    client = caller.client("iam")

    try:
        client.create_service_linked_role(AWSServiceName="ecs.amazonaws.com")
    except ClientError as error:  # an earlier test may have made it
        assert error.response["Error"]["Code"] != "AccessDenied"
    path_of_ecs = "/aws-service-role/ecs.amazonaws.com/"
    (role,) = embedded_aws.client("iam").list_roles(PathPrefix=path_of_ecs)["Roles"]
    client.get_role(RoleName=role["RoleName"])
    with refused(action, f"{path}rds.amazonaws.com/"):
        client.create_service_linked_role(AWSServiceName="rds.amazonaws.com")
    with refused("iam:GetRole", f"arn:aws:iam::{ACCOUNT}:role/test-"):
        client.get_role(RoleName=caller.role.rsplit("/", 1)[-1])


# ---- RDS ----


def test_snapshot_needs_instance_and_snapshot(caller: Caller) -> None:
    instance, snapshot = arn("rds", "db:some"), arn("rds", "snapshot:before-*")
    request = {"DBInstanceIdentifier": "some", "DBSnapshotIdentifier": "before-1"}
    client = caller.client("rds")

    for allowed, missing in ((instance, "snapshot:before-1"), (snapshot, "db:some")):
        caller.may({"Action": "rds:CreateDBSnapshot", "Resource": allowed})
        with refused("rds:CreateDBSnapshot", arn("rds", missing)):
            client.create_db_snapshot(**request)
    caller.may({"Action": "rds:CreateDBSnapshot", "Resource": [instance, snapshot]})
    with pytest.raises(client.exceptions.DBInstanceNotFoundFault):
        client.create_db_snapshot(**request)


# ---- CloudFormation ----


def test_named_stack_is_decided_on_by_its_id(caller: Caller, stacks: StackDriver) -> None:
    topic = {"Type": "AWS::SNS::Topic"}
    stack, other = (stacks.create({"Resources": {"Topic": topic}}) for _ in range(2))
    caller.may({"Action": "cloudformation:DescribeStacks", "Resource": stack.id})
    client = caller.client("cloudformation")

    client.describe_stacks(StackName=stack.name)
    client.describe_stacks(StackName=stack.id)
    with refused("cloudformation:DescribeStacks", other.id):
        client.describe_stacks(StackName=other.name)


# ---- SQS ----


def test_batch_needs_the_permission_of_the_single_action(
    embedded_aws: EmbeddedAws, caller: Caller, name: str
) -> None:
    url = embedded_aws.client("sqs").create_queue(QueueName=name)["QueueUrl"]
    caller.may({"Action": "sqs:SendMessage", "Resource": arn("sqs", name)})
    client = caller.client("sqs")
    entries = [{"Id": "1", "MessageBody": "text"}]

    client.send_message_batch(QueueUrl=url, Entries=entries)
    receipt = [{"Id": "1", "ReceiptHandle": "none"}]
    with refused("sqs:DeleteMessage", arn("sqs", name)):
        client.delete_message_batch(QueueUrl=url, Entries=receipt)


# ---- S3 ----


def test_missing_object_is_forbidden_for_those_who_may_not_list(
    caller: Caller, bucket: str
) -> None:
    reading = {"Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    caller.may(reading)
    client = caller.client("s3")

    for key in ("there/is one", "folder/"):
        assert client.get_object(Bucket=bucket, Key=key)["Body"].read() == b"1"
    with refused("s3:ListBucket", f"arn:aws:s3:::{bucket}"):
        client.get_object(Bucket=bucket, Key="nothing")
    with pytest.raises(ClientError, match="403"):
        client.head_object(Bucket=bucket, Key="nothing")
    caller.may(reading, {"Action": "s3:ListBucket", "Resource": f"arn:aws:s3:::{bucket}"})
    with pytest.raises(client.exceptions.NoSuchKey):
        client.get_object(Bucket=bucket, Key="nothing")
    with pytest.raises(ClientError, match="404"):
        client.head_object(Bucket=bucket, Key="nothing")


def test_local_endpoint_counts_as_encrypted(
    embedded_aws: EmbeddedAws, caller: Caller, bucket: str
) -> None:
    deny = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": f"arn:aws:s3:::{bucket}/*",
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    embedded_aws.client("s3").put_bucket_policy(Bucket=bucket, Policy=document_of(deny))
    caller.may({"Action": "s3:*"})

    caller.client("s3").get_object(Bucket=bucket, Key="there/is one")


def test_bucket_policy_counts(embedded_aws: EmbeddedAws, caller: Caller, bucket: str) -> None:
    deny = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{bucket}/*",
        "Condition": {"Bool": {"aws:SecureTransport": "true"}},
    }
    embedded_aws.client("s3").put_bucket_policy(Bucket=bucket, Policy=document_of(deny))
    caller.may({"Action": "s3:*"})

    with pytest.raises(ClientError, match="explicit deny"):
        caller.client("s3").get_object(Bucket=bucket, Key="there/is one")


# ---- Secrets Manager ----


def test_secret_is_decided_on_by_its_arn(
    embedded_aws: EmbeddedAws, caller: Caller, name: str
) -> None:
    secrets = embedded_aws.client("secretsmanager")
    inside = secrets.create_secret(Name=f"{name}/connections/one", SecretString="1")["ARN"]
    outside = secrets.create_secret(Name=f"other-{name}", SecretString="1")["ARN"]
    action = "secretsmanager:GetSecretValue"
    caller.may({"Action": action, "Resource": arn("secretsmanager", f"secret:{name}/*")})
    client = caller.client("secretsmanager")

    client.get_secret_value(SecretId=inside)
    client.get_secret_value(SecretId=f"{name}/connections/one")
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.get_secret_value(SecretId=f"{name}/connections/two")
    with refused(action, outside):
        client.get_secret_value(SecretId=f"other-{name}")


# ---- Lambda ----


def test_function_needs_to_have_its_role_passed(
    embedded_aws: EmbeddedAws, caller: Caller, name: str
) -> None:
    role = create_role(embedded_aws, "lambda.amazonaws.com")
    caller.may({"Action": "lambda:*"}, passing(role, SCHEDULER))

    with refused("iam:PassRole", role):
        caller.client("lambda").create_function(
            FunctionName=name,
            Role=role,
            Runtime="python3.13",
            Handler="main.handler",
            Code={"ZipFile": b"none"},
        )


def test_function_is_invoked_by_name(embedded_aws: EmbeddedAws, caller: Caller, name: str) -> None:
    caller.may({"Action": "lambda:InvokeFunction", "Resource": arn("lambda", f"function:{name}")})
    client = caller.client("lambda")

    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.invoke(FunctionName=name)
    with refused("lambda:InvokeFunction", arn("lambda", "function:other")):
        client.invoke(FunctionName="other")
