"""IAM, CloudWatch Logs, SNS, CloudFormation."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from embedded_aws.limits.resources import Resource
from embedded_aws.limits.rules import Number, PolicyDocument, Text, Unlimited, policy_size
from embedded_aws.limits.tables.network import ARN

# https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html
RETENTION_DAYS: Final = (
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922,
    3288, 3653,
)  # fmt: skip
_MOST_INLINE: Final = 10240


def _inline_policies(properties: Mapping[str, Any]) -> Iterator[str]:
    """The inline policies of a role have one limit together."""
    policies = properties.get("Policies") or []
    size = sum(policy_size(policy.get("PolicyDocument")) for policy in policies)
    if size > _MOST_INLINE:
        yield f"Policies have {size} characters together, allowed are {_MOST_INLINE} (IAM quotas)"
    names = [policy.get("PolicyName") for policy in policies]
    for name in sorted({one for one in names if names.count(one) > 1}):
        yield f"Policies have the name {name} twice (IAM)"


def _parameters(properties: Mapping[str, Any]) -> Iterator[str]:
    parameters = properties.get("Parameters") or {}
    if len(parameters) > 200:
        yield f"Parameters are {len(parameters)}, allowed are 200 (CloudFormation quotas)"
    for name, value in parameters.items():
        size = len((value if isinstance(value, str) else json.dumps(value)).encode())
        if size > 4096:
            yield f"Parameters.{name} has {size} bytes, allowed are 4096 (CloudFormation quotas)"


LIMITS: Final = {
    "AWS::IAM::Role": Resource(
        "iam:CreateRole",
        members={"Policies[].PolicyName": "iam:PutRolePolicy:PolicyName"},
        rules={
            "AssumeRolePolicyDocument": PolicyDocument("IAM quotas", 2048),
            "Policies[].PolicyDocument": PolicyDocument("IAM quotas", _MOST_INLINE),
            "ManagedPolicyArns[]": ARN,
        },
        checks=(_inline_policies,),
    ),
    "AWS::IAM::RolePolicy": Resource(
        "iam:PutRolePolicy",
        rules={"PolicyDocument": PolicyDocument("IAM quotas", _MOST_INLINE)},
    ),
    "AWS::Logs::LogGroup": Resource(
        "logs:CreateLogGroup",
        rules={
            "LogGroupName": Text(
                "CloudWatch Logs: CreateLogGroup", r"(?!aws/)[.\-_/#A-Za-z0-9]+", most=512
            ),
            "RetentionInDays": Number(
                "CloudWatch Logs: PutRetentionPolicy", allowed=RETENTION_DAYS
            ),
        },
    ),
    "AWS::KMS::Key": Resource(
        "kms:CreateKey",
        rules={
            "KeyPolicy": PolicyDocument("KMS quotas", 32768, sid="[A-Za-z0-9 ]*"),
            "RotationPeriodInDays": Number("KMS: EnableKeyRotation", 90, 2560),
        },
    ),
    "AWS::KMS::Alias": Resource(
        "kms:CreateAlias",
        rules={"AliasName": Text("KMS: CreateAlias", r"alias/(?!aws/)[a-zA-Z0-9/_-]+", most=256)},
    ),
    "AWS::SNS::Topic": Resource(
        rules={
            "TopicName": Text("SNS: CreateTopic", r"[A-Za-z0-9_-]+(\.fifo)?", most=256),
            "DisplayName": Text("SNS: CreateTopic", r"[^\x00-\x1f]*", least=0, most=100),
            "KmsMasterKeyId": Unlimited("KMS resolves it"),
        }
    ),
    "AWS::SNS::TopicPolicy": Resource(
        rules={"Topics[]": ARN, "PolicyDocument": PolicyDocument("SNS", 30720, sid=".*")}
    ),
    "AWS::SNS::Subscription": Resource(
        rules={
            "TopicArn": ARN,
            "Protocol": Text(
                "SNS: Subscribe",
                "email|email-json|http|https|sms|sqs|lambda|application|firehose",
            ),
            "Endpoint": Text("SNS: Subscribe", r"\S+", most=2048),
        }
    ),
    "AWS::CloudFormation::Stack": Resource(
        rules={
            "TemplateURL": Text("CloudFormation: CreateStack", most=5120),
            "Parameters": Unlimited("looked at by the check of parameters"),
            "NotificationARNs[]": ARN,
        },
        checks=(_parameters,),
    ),
}
