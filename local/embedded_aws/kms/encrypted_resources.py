"""Buckets, topics and log groups with a key of the account, when a stack creates or updates them.

ministack 1.5.33 leaves the encryption of buckets and topics out, and takes any key. CloudWatch Logs
refuses a log group whose key does not exist, is disabled, or has a policy that does not admit the
service with the group's ARN in the encryption context.
"""

import json

from ministack.core.responses import get_region
from ministack.services import kms, sns

from embedded_aws.authorization import engine
from embedded_aws.authorization.requests import keys
from embedded_aws.cloudformation.engine import Properties, after_each_deployment, own_client
from embedded_aws.settings import ACCOUNT_ID, Settings

_LOGS_ACTIONS = ("kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey", "kms:DescribeKey")


class KeyRefusedError(ValueError):
    """The service would refuse the key."""


def install(settings: Settings) -> None:
    def encrypt_bucket(bucket: str, properties: Properties) -> None:
        configuration = properties.get("BucketEncryption")
        s3 = own_client(settings, "s3")
        if not configuration:
            s3.delete_bucket_encryption(Bucket=bucket)
            return
        rules = []
        for rule in configuration["ServerSideEncryptionConfiguration"]:
            default = dict(rule["ServerSideEncryptionByDefault"])
            _assert_usable(default.get("KMSMasterKeyID"), "S3")
            encryption = {"ApplyServerSideEncryptionByDefault": default}
            has_bucket_key = json.loads(str(rule.get("BucketKeyEnabled", False)).lower())
            rules.append({**encryption, "BucketKeyEnabled": has_bucket_key})
        s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": rules})

    after_each_deployment("AWS::S3::Bucket", encrypt_bucket)
    after_each_deployment("AWS::SNS::Topic", _encrypt_topic)
    after_each_deployment("AWS::Logs::LogGroup", _check_log_group)


def _encrypt_topic(topic: str, properties: Properties) -> None:
    attributes = sns._topics[topic]["attributes"]
    attributes.pop("KmsMasterKeyId", None)
    if properties.get("KmsMasterKeyId"):
        _assert_usable(properties["KmsMasterKeyId"], "SNS")
        attributes["KmsMasterKeyId"] = properties["KmsMasterKeyId"]


def _check_log_group(group: str, properties: Properties) -> None:
    key = properties.get("KmsKeyId")
    if not key:
        return
    _assert_usable(key, "CloudWatch Logs")
    service = f"logs.{get_region()}.amazonaws.com"
    arn = f"arn:aws:logs:{get_region()}:{ACCOUNT_ID}:log-group:{group}"
    context = {"kms:EncryptionContext:aws:logs:arn": arn}
    policies = engine.policies_of(f"key/{key.rpartition('/')[2]}", {"policy": keys.policy_of(key)})
    for action in _LOGS_ACTIONS:
        if not engine.decide_by_resource(policies, service, action, key, context).allowed:
            raise KeyRefusedError(
                "The specified KMS key does not exist or is not allowed to be used with LogGroup "
                f"'{arn}' ({action})"
            )


def _assert_usable(key: str | None, service: str) -> None:
    if not key or ":key/" not in key:
        return
    record = kms._resolve_key(key)
    if record is None or record["KeyState"] != "Enabled":
        state = "does not exist" if record is None else f"is {record['KeyState']}"
        raise KeyRefusedError(f"{service}: the KMS key {key} {state}")
