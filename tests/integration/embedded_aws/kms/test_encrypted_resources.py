"""What is encrypted with a key of the account needs the key, by IAM or by the key's policy."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ..conftest import REGION, EmbeddedAws
from ..roles import Caller, refused
from ..stack_driver import Stack, StackDriver, deploy

ACCOUNT = "0" * 12
KEY_ARN = {"Fn::GetAtt": ["Key", "Arn"]}
ROOT = {
    "Effect": "Allow",
    "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
    "Action": "kms:*",
    "Resource": "*",
}
LOGS = {
    "Effect": "Allow",
    "Principal": {"Service": f"logs.{REGION}.amazonaws.com"},
    "Action": ["kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey*", "kms:DescribeKey"],
    "Resource": "*",
    "Condition": {
        "ArnLike": {
            "kms:EncryptionContext:aws:logs:arn": f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:*"
        }
    },
}
SENDERS = {
    "Effect": "Allow",
    "Principal": {"Service": ["cloudwatch.amazonaws.com", "events.amazonaws.com"]},
    "Action": ["kms:Decrypt", "kms:GenerateDataKey*"],
    "Resource": "*",
    "Condition": {"StringEquals": {"aws:SourceAccount": ACCOUNT}},
}
RULE = {
    "ServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": KEY_ARN},
    "BucketKeyEnabled": True,
}


def encrypted(stacks: StackDriver, *statements: dict[str, Any], **more: Any) -> Stack:
    resources: dict[str, Any] = {
        "Key": {
            "Type": "AWS::KMS::Key",
            "Properties": {
                "KeyPolicy": {"Version": "2012-10-17", "Statement": [ROOT, *statements]}
            },
        },
        "Bucket": {
            "Type": "AWS::S3::Bucket",
            "Properties": {"BucketEncryption": {"ServerSideEncryptionConfiguration": [RULE]}},
        },
        "Queue": {
            "Type": "AWS::SQS::Queue",
            "Properties": {"KmsMasterKeyId": KEY_ARN, "SqsManagedSseEnabled": False},
        },
        "Secret": {
            "Type": "AWS::SecretsManager::Secret",
            "Properties": {"KmsKeyId": KEY_ARN, "SecretString": "value"},
        },
        "Topic": {"Type": "AWS::SNS::Topic", "Properties": {"KmsMasterKeyId": KEY_ARN}},
        **more,
    }
    names = ("Bucket", "Queue", "Secret", "Topic")
    return deploy(stacks, resources, Key=KEY_ARN, **{name: {"Ref": name} for name in names})


def through(stack: Stack, service: str, *actions: str) -> dict[str, Any]:
    via = {"StringLike": {"kms:ViaService": f"{service}.*"}}
    return {"Action": list(actions), "Resource": stack.outputs["Key"], "Condition": via}


# Service → a request, and the actions on the key that it needs.
REQUESTS: dict[str, tuple[str, Callable[[Any, Any], Any], tuple[str, ...]]] = {
    "write object": (
        "s3",
        lambda s3, out: s3.put_object(Bucket=out["Bucket"], Key="a", Body=b"1"),
        ("kms:GenerateDataKey",),
    ),
    "read object": (
        "s3",
        lambda s3, out: s3.get_object(Bucket=out["Bucket"], Key="there"),
        ("kms:Decrypt",),
    ),
    "send message": (
        "sqs",
        lambda sqs, out: sqs.send_message(QueueUrl=out["Queue"], MessageBody="1"),
        ("kms:GenerateDataKey", "kms:Decrypt"),
    ),
    "receive message": (
        "sqs",
        lambda sqs, out: sqs.receive_message(QueueUrl=out["Queue"]),
        ("kms:Decrypt",),
    ),
    "read secret": (
        "secretsmanager",
        lambda secrets, out: secrets.get_secret_value(SecretId=out["Secret"]),
        ("kms:Decrypt",),
    ),
    "replace secret": (
        "secretsmanager",
        lambda secrets, out: secrets.put_secret_value(SecretId=out["Secret"], SecretString="2"),
        ("kms:GenerateDataKey", "kms:Decrypt"),
    ),
    "publish": (
        "sns",
        lambda sns, out: sns.publish(TopicArn=out["Topic"], Message="1"),
        ("kms:GenerateDataKey", "kms:Decrypt"),
    ),
}


def test_caller_needs_the_key_through_the_service(
    embedded_aws: EmbeddedAws, stacks: StackDriver
) -> None:
    stack = encrypted(stacks)
    out = stack.outputs
    embedded_aws.client("s3").put_object(Bucket=out["Bucket"], Key="there", Body=b"1")
    caller = Caller(embedded_aws)
    for name, (service, request, actions) in REQUESTS.items():
        may = {"Action": f"{service}:*"}
        client = caller.client(service)

        caller.may(may)
        with refused(actions[0], out["Key"]):
            request(client, out)
        other = "sqs" if service == "s3" else "s3"
        caller.may(may, through(stack, other, *actions))
        with refused(actions[0], out["Key"]):
            request(client, out)
        caller.may(may, through(stack, service, *actions))
        assert request(client, out), name
    embedded_aws.client("s3").delete_objects(
        Bucket=out["Bucket"], Delete={"Objects": [{"Key": "a"}, {"Key": "there"}]}
    )


GROUP = {
    "Type": "AWS::Logs::LogGroup",
    "Properties": {"KmsKeyId": KEY_ARN, "RetentionInDays": 1},
}


def test_log_group_needs_a_key_whose_policy_admits_its_logs(stacks: StackDriver) -> None:
    encrypted(stacks, LOGS, Group=GROUP)

    other = json.loads(json.dumps(LOGS).replace("log-group:*", "log-group:other"))
    for statements in ((), (other,)):
        with pytest.raises(AssertionError, match="not allowed to be used with LogGroup"):
            encrypted(stacks, *statements, Group=GROUP)


def test_resource_does_not_take_a_key_that_is_to_be_deleted(
    embedded_aws: EmbeddedAws, stacks: StackDriver
) -> None:
    kms = embedded_aws.client("kms")
    key = kms.create_key()["KeyMetadata"]["Arn"]
    kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    topic = {"Type": "AWS::SNS::Topic", "Properties": {"KmsMasterKeyId": key}}

    with pytest.raises(AssertionError, match="is PendingDeletion"):
        deploy(stacks, {"Topic": topic})


def sent(embedded_aws: EmbeddedAws, stack: Stack) -> bool:
    source = "contract.kms"
    entry = {"Source": source, "DetailType": "test", "Detail": "{}"}
    embedded_aws.client("events").put_events(Entries=[entry])
    sqs = embedded_aws.client("sqs")
    found = sqs.receive_message(QueueUrl=stack.outputs["Queue"], WaitTimeSeconds=2)
    return bool(found.get("Messages"))


@pytest.mark.parametrize("admitted", [True, False])
def test_event_reaches_an_encrypted_queue_only_if_the_key_admits_events(
    embedded_aws: EmbeddedAws, stacks: StackDriver, *, admitted: bool
) -> None:
    rule = {
        "Type": "AWS::Events::Rule",
        "Properties": {
            "EventPattern": {"source": ["contract.kms"]},
            "Targets": [{"Id": "queue", "Arn": {"Fn::GetAtt": ["Queue", "Arn"]}}],
        },
    }
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": "*",
    }
    policy = {
        "Type": "AWS::SQS::QueuePolicy",
        "Properties": {
            "Queues": [{"Ref": "Queue"}],
            "PolicyDocument": {"Version": "2012-10-17", "Statement": [statement]},
        },
    }
    statements = (SENDERS,) if admitted else ()
    stack = encrypted(stacks, *statements, Rule=rule, Policy=policy)

    assert sent(embedded_aws, stack) is admitted


def test_missing_permission_names_the_key(embedded_aws: EmbeddedAws, stacks: StackDriver) -> None:
    stack = encrypted(stacks)
    caller = Caller(embedded_aws, {"Action": "secretsmanager:*"})

    with pytest.raises(ClientError, match="kms:Decrypt"):
        caller.client("secretsmanager").get_secret_value(SecretId=stack.outputs["Secret"])
