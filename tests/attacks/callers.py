"""Callers with AWS credentials: each request of theirs is signed, and decided on by IAM."""

from typing import Any

from tests.attacks.reduced_stack import ReducedStack
from tests.integration.embedded_aws.conftest import EmbeddedAws
from tests.integration.embedded_aws.roles import Caller

# AWS's managed policy ReadOnlyAccess, as far as it concerns services that the stack uses. It has
# neither secretsmanager:GetSecretValue nor kms:Decrypt.
READ_ONLY_ACCESS = (
    "cloudformation:Describe*",
    "cloudformation:Get*",
    "cloudformation:List*",
    "cloudwatch:Describe*",
    "cloudwatch:Get*",
    "cloudwatch:List*",
    "ec2:Describe*",
    "ec2:Get*",
    "ecr:BatchGet*",
    "ecr:Describe*",
    "ecr:Get*",
    "ecs:Describe*",
    "ecs:List*",
    "elasticloadbalancing:Describe*",
    "events:Describe*",
    "events:List*",
    "iam:Get*",
    "iam:List*",
    "kms:Describe*",
    "kms:Get*",
    "kms:List*",
    "lambda:Get*",
    "lambda:List*",
    "logs:Describe*",
    "logs:FilterLogEvents",
    "logs:Get*",
    "rds:Describe*",
    "rds:Download*",
    "rds:List*",
    "s3:Get*",
    "s3:List*",
    "scheduler:Get*",
    "scheduler:List*",
    "secretsmanager:Describe*",
    "secretsmanager:GetResourcePolicy",
    "secretsmanager:List*",
    "sns:Get*",
    "sns:List*",
    "sqs:Get*",
    "sqs:List*",
    "sqs:Receive*",
    "tag:Get*",
)


def read_only(aws: EmbeddedAws) -> Caller:
    """A person or a scanner with AWS's ReadOnlyAccess."""
    return Caller(aws, {"Action": list(READ_ONLY_ACCESS)})


def with_role(aws: EmbeddedAws, stack: ReducedStack, path: str) -> Caller:
    """What holds the credentials of a role of the stack, such as the code of a task.

    The role of the stack trusts a service only, so the caller gets a twin with its policies.
    """
    iam, name = aws.client("iam"), stack.id(path)
    statements: list[dict[str, Any]] = []
    for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]:
        document = iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
        statements += document["Statement"]
    assert iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"] == []
    return Caller(aws, *statements)
