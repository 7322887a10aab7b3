"""Roles for the contract tests."""

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from .conftest import REGION, EmbeddedAws

ACCOUNT = f"arn:aws:iam::{'0' * 12}:root"


class Caller:
    """A role that the test itself assumes, with a policy that the test changes."""

    def __init__(self, aws: EmbeddedAws, *statements: dict[str, Any]) -> None:
        self._aws = aws
        self.role = create_role(aws, ACCOUNT)
        self.may(*statements)
        answer = aws.client("sts").assume_role(RoleArn=self.role, RoleSessionName="test")
        self._credentials = answer["Credentials"]

    def may(self, *statements: dict[str, Any]) -> None:
        """Allow this and nothing else."""
        put_policy(self._aws, self.role, *statements)

    def environment(self) -> dict[str, str]:
        """The credentials as variables of another process."""
        return {
            "AWS_ACCESS_KEY_ID": self._credentials["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": self._credentials["SecretAccessKey"],
            "AWS_SESSION_TOKEN": self._credentials["SessionToken"],
        }

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=self._aws.endpoint_url,
            region_name=REGION,
            aws_access_key_id=self._credentials["AccessKeyId"],
            aws_secret_access_key=self._credentials["SecretAccessKey"],
            aws_session_token=self._credentials["SessionToken"],
        )


@contextmanager
def refused(action: str, resource: str = "") -> Iterator[None]:
    """The request inside is refused, and the error names the permission that is missing."""
    with pytest.raises(ClientError) as caught:
        yield
    error = caught.value.response["Error"]
    message = error.get("Message") or error.get("message") or ""
    assert error["Code"] in ("AccessDenied", "AccessDeniedException", "AuthorizationError"), error
    assert f"not authorized to perform: {action} on resource: {resource}" in message, message


def create_role(aws: EmbeddedAws, service: str, *, condition: Any = None, **statement: Any) -> str:
    """Create a role that a service may assume, with one statement; returns its ARN."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    trust: dict[str, Any] = {
        "Effect": "Allow",
        "Principal": {"AWS" if service.startswith("arn:") else "Service": service},
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
    nothing = {"Action": "none:None"}
    allowed = [{"Effect": "Allow", "Resource": "*", **one} for one in statements or (nothing,)]
    aws.client("iam").put_role_policy(
        RoleName=role_arn.rsplit("/", 1)[-1],
        PolicyName="test",
        PolicyDocument=document_of(*allowed),
    )


def let_send(aws: EmbeddedAws, service: str, queue_url: str) -> str:
    """Let a service send messages to a queue; returns the queue's ARN."""
    sqs = aws.client("sqs")
    found = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])
    arn: str = found["Attributes"]["QueueArn"]
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": "sqs:SendMessage",
        "Resource": arn,
    }
    sqs.set_queue_attributes(QueueUrl=queue_url, Attributes={"Policy": document_of(statement)})
    return arn


def document_of(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
