"""Roles for the contract tests."""

import json
import uuid
from typing import Any

from .conftest import EmbeddedAws


def create_role(aws: EmbeddedAws, service: str, *, condition: Any = None, **statement: Any) -> str:
    """Create a role that a service may assume, with one statement; returns its ARN."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    trust: dict[str, Any] = {
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": "sts:AssumeRole",
    }
    if condition:
        trust["Condition"] = condition
    iam = aws.client("iam")
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document_of(trust))["Role"]
    if statement:
        put_policy(aws, role["Arn"], statement)
    arn: str = role["Arn"]
    return arn


def put_policy(aws: EmbeddedAws, role_arn: str, *statements: dict[str, Any]) -> None:
    """Give a role one policy with these statements, instead of the one it had."""
    allowed = [{"Effect": "Allow", "Resource": "*", **one} for one in statements]
    aws.client("iam").put_role_policy(
        RoleName=role_arn.rsplit("/", 1)[-1],
        PolicyName="test",
        PolicyDocument=document_of(*allowed),
    )


def document_of(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
