"""The word customer-key: one key of the stack encrypts, and roles use it where they need it."""

from collections.abc import Iterator
from typing import Any

import pytest
from dry_deployment import DryStack, deploy
from single_changes import ALL_WORDS

KEY = "<airflow/SecretsStack/EncryptionKeyStack/Key.Arn>"
# Type → where it names its key.
KEY_PROPERTIES = {
    "AWS::ECR::Repository": "EncryptionConfiguration",
    "AWS::Lambda::Function": "KmsKeyArn",
    "AWS::Logs::LogGroup": "KmsKeyId",
    "AWS::RDS::DBInstance": "KmsKeyId",
    "AWS::S3::Bucket": "BucketEncryption",
    "AWS::SNS::Topic": "KmsMasterKeyId",
    "AWS::SQS::Queue": "KmsMasterKeyId",
    "AWS::SecretsManager::Secret": "KmsKeyId",
}
# Before the key exists, with a key of its own, or where AWS takes no other key: decision 12.
WITHOUT = {
    "airflow/PreflightStack/PreflightFunction",
    "airflow/PreflightStack/PreflightLogGroup",
    "airflow/ClusterStack/ExecLogGroup",
    "airflow/IngressStack/AccessLogsStack/AccessLogBucket",
}
DECRYPT, GENERATE = "kms:Decrypt", "kms:GenerateDataKey"
# What a permission is worth only with a permission for the key, too.
NEEDED = {
    "s3:GetObject": (DECRYPT,),
    "s3:GetObjectVersion": (DECRYPT,),
    # In parts, if the object is large: S3 decrypts the key of the parts to join them.
    "s3:PutObject": (DECRYPT, GENERATE),
    "secretsmanager:GetSecretValue": (DECRYPT,),
    "secretsmanager:PutSecretValue": (DECRYPT, GENERATE),
    "sns:Publish": (DECRYPT, GENERATE),
    "sqs:ReceiveMessage": (DECRYPT,),
    "sqs:SendMessage": (DECRYPT, GENERATE),
}
OPTIONS = {"EnvironmentClass": "small", "WorkerQueueNames": "a,b,c,d,e,f,g,h"}


def encrypted(stack: DryStack) -> Iterator[tuple[str, str]]:
    """Each resource that can have a key, and what it says about it."""
    for each in stack.everything():
        for name, resource in each.resources.items():
            if resource["Type"] in KEY_PROPERTIES:
                properties = each.properties(name)
                found = properties.get(KEY_PROPERTIES[resource["Type"]], "")
                yield f"{each.path}/{name}", str(found)


def test_key_encrypts_everything_that_can_have_one() -> None:
    found = dict(encrypted(deploy(**OPTIONS, Options=ALL_WORDS)))

    assert {path for path, key in found.items() if KEY not in key} == WITHOUT


def test_without_the_word_nothing_has_a_key_of_the_stack() -> None:
    stack = deploy(**OPTIONS, Options="x86")

    assert [path for path, key in encrypted(stack) if "<" in key] == []
    assert [role for role, _ in roles(stack) if "kms:" in str(role)] == []


def test_buckets_have_bucket_keys_and_queues_no_second_encryption() -> None:
    stack = deploy(**OPTIONS, Options="customer-key")
    for name in ("DagBucket", "LogBucket", "StateBucket"):
        bucket = stack.child("StorageStack").properties(name)["BucketEncryption"]
        (rule,) = bucket["ServerSideEncryptionConfiguration"]
        assert rule["BucketKeyEnabled"] is True
    for number in ("", *range(1, 9)):
        queue = stack.child("QueuesStack").properties(f"WorkerQueue{number}")
        assert queue["SqsManagedSseEnabled"] is False


def roles(stack: DryStack) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    for each in stack.everything():
        for name, resource in each.resources.items():
            if resource["Type"] == "AWS::IAM::Role":
                yield (
                    f"{each.path}/{name}",
                    [
                        statement
                        for policy in each.properties(name).get("Policies", [])
                        for statement in policy["PolicyDocument"]["Statement"]
                    ],
                )


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


@pytest.mark.parametrize("environment_class", ["micro", "small"])
def test_role_may_use_the_key_exactly_through_the_services_that_it_uses(
    environment_class: str,
) -> None:
    stack = deploy(EnvironmentClass=environment_class, Options="customer-key")
    functions = {
        each.properties(name)["Role"]
        for each in stack.everything()
        for name, resource in each.resources.items()
        if resource["Type"] == "AWS::Lambda::Function" and "KmsKeyArn" in each.properties(name)
    }
    for role, statements in roles(stack):
        needed = {
            (action, service)
            for statement in statements
            for permission in as_list(statement["Action"])
            for action in NEEDED.get(permission, ())
            for service in [permission.partition(":")[0]]
        }
        if f"<{role}.Arn>" in functions:
            needed.add((DECRYPT, "lambda"))
        given = set()
        for statement in statements:
            if not str(statement["Action"]).count("kms:"):
                continue
            assert statement["Resource"] == KEY, role
            for service in as_list(statement["Condition"]["StringLike"]["kms:ViaService"]):
                assert service.endswith(".*")
                given |= {(a, service.removesuffix(".*")) for a in as_list(statement["Action"])}
        assert given == needed, role


def test_policy_of_the_key_admits_what_acts_for_itself_and_only_for_this_account() -> None:
    stack = deploy(Options="customer-key").child("SecretsStack").child("EncryptionKeyStack")
    key = stack.properties("Key")
    statements = {each["Sid"]: each for each in key["KeyPolicy"]["Statement"]}

    assert key["EnableKeyRotation"] is True
    assert set(statements) == {"AccountDecides", "EncryptLogs", "SendAlarmsAndEvents"}
    logs, senders = statements["EncryptLogs"], statements["SendAlarmsAndEvents"]
    assert logs["Principal"] == {"Service": "logs.<region>.amazonaws.com"}
    assert logs["Condition"]["ArnLike"]["kms:EncryptionContext:aws:logs:arn"].endswith(
        ":<account>:log-group:*"
    )
    assert senders["Principal"]["Service"] == ["cloudwatch.amazonaws.com", "events.amazonaws.com"]
    assert senders["Condition"] == {"StringEquals": {"aws:SourceAccount": "<account>"}}
    assert set(senders["Action"]) == {"kms:Decrypt", "kms:GenerateDataKey*"}
