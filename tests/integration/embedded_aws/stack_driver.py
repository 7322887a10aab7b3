"""Deploys templates to the embedded AWS, for the contract tests of CloudFormation."""

import hashlib
import io
import json
import os
import subprocess
import textwrap
import time
import uuid
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .conftest import REPOSITORY, EmbeddedAws, eventually

BUCKET = "contract-tests"
CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]

Template = Mapping[str, Any]

# May do everything, for tests of other subjects; the tests of IAM have narrow roles of their own.
EXECUTION_ROLE = {
    "Type": "AWS::IAM::Role",
    "Properties": {
        "AssumeRolePolicyDocument": {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {
                        "Service": [
                            "ecs-tasks.amazonaws.com",
                            "lambda.amazonaws.com",
                            "scheduler.amazonaws.com",
                        ]
                    },
                    "Action": "sts:AssumeRole",
                }
            ],
        },
        "Policies": [
            {
                "PolicyName": "everything",
                "PolicyDocument": {
                    "Version": "2012-10-17",
                    "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
                },
            }
        ],
    },
}

VPC = {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.7.0.0/16"}}
SUBNET = {
    "Type": "AWS::EC2::Subnet",
    "Properties": {"VpcId": {"Ref": "Vpc"}, "CidrBlock": "10.7.1.0/24"},
}


@dataclass(frozen=True)
class Event:
    logical_id: str
    status: str
    reason: str
    physical_id: str


@dataclass(frozen=True)
class Stack:
    """The result of DescribeStacks after the operation."""

    id: str
    name: str
    status: str
    outputs: Mapping[str, str]
    described: Mapping[str, Any]


class StackDriver:
    def __init__(self, aws: EmbeddedAws) -> None:
        self.aws = aws
        self._cloudformation = aws.client("cloudformation")
        self._created: list[str] = []
        aws.client("s3").create_bucket(Bucket=BUCKET)

    def upload(self, body: str | bytes | Template) -> str:
        """Put a template, or anything else, into a bucket; return the URL as SAM writes it.

        As with SAM, the same content has the same URL.
        """
        data = json.dumps(body) if isinstance(body, Mapping) else body
        content = data.encode() if isinstance(data, str) else data
        key = hashlib.sha256(content).hexdigest()
        self.aws.client("s3").put_object(Bucket=BUCKET, Key=key, Body=data)
        return f"https://s3.us-east-1.amazonaws.com/{BUCKET}/{key}"

    def create(self, template: str | Template, /, **parameters: str) -> Stack:
        return self.create_named(f"t-{uuid.uuid4().hex[:8]}", template, **parameters)

    def create_named(self, name: str, template: str | Template, /, **parameters: str) -> Stack:
        answer = self._cloudformation.create_stack(
            StackName=name, **self.request(template, parameters)
        )
        self._created.append(answer["StackId"])
        return self.wait(answer["StackId"])

    def update(self, stack: Stack, template: str | Template, /, **parameters: str) -> Stack:
        self._cloudformation.update_stack(StackName=stack.id, **self.request(template, parameters))
        return self.wait(stack.id)

    def delete(self, stack: Stack) -> Stack:
        self._cloudformation.delete_stack(StackName=stack.id)
        return self.wait(stack.id)

    def delete_all(self) -> None:
        """Delete every stack that this driver created, the newest first."""
        for stack_id in reversed(self._created):
            deleted = self.delete(self.describe(stack_id))
            assert deleted.status == "DELETE_COMPLETE", self.failures(deleted)

    def wait(self, stack_id: str) -> Stack:
        def ended() -> Stack | None:
            stack = self.describe(stack_id)
            return None if stack.status.endswith("IN_PROGRESS") else stack

        stack: Stack = eventually(ended)
        return stack

    def describe(self, stack_id: str) -> Stack:
        found = self._cloudformation.describe_stacks(StackName=stack_id)["Stacks"][0]
        outputs = {out["OutputKey"]: out["OutputValue"] for out in found.get("Outputs", [])}
        return Stack(found["StackId"], found["StackName"], found["StackStatus"], outputs, found)

    def events(self, stack: Stack) -> list[Event]:
        """The stack's events, oldest first."""
        pages = self._cloudformation.get_paginator("describe_stack_events").paginate(
            StackName=stack.id
        )
        newest_first = [event for page in pages for event in page["StackEvents"]]
        return [
            Event(
                event["LogicalResourceId"],
                event["ResourceStatus"],
                event.get("ResourceStatusReason", ""),
                event.get("PhysicalResourceId", ""),
            )
            for event in reversed(newest_first)
        ]

    def failures(self, stack: Stack) -> dict[str, str]:
        """The reason of the last failure by logical id."""
        return {
            event.logical_id: event.reason
            for event in self.events(stack)
            if event.status in ("CREATE_FAILED", "UPDATE_FAILED", "DELETE_FAILED")
        }

    def physical_id(self, stack: Stack, logical_id: str) -> str:
        answer = self._cloudformation.describe_stack_resource(
            StackName=stack.id, LogicalResourceId=logical_id
        )
        return str(answer["StackResourceDetail"]["PhysicalResourceId"])

    def function(self, source: str, handler: str = "main.handler", **more: Any) -> dict[str, Any]:
        """A Lambda function of one module, as a resource that needs the resource `Role`."""
        key = self.upload(zipped({"main.py": source})).rsplit("/", 1)[-1]
        return {
            "Type": "AWS::Lambda::Function",
            "Properties": {
                "Runtime": "python3.13",
                "Handler": handler,
                "Role": {"Fn::GetAtt": ["Role", "Arn"]},
                "Code": {"S3Bucket": BUCKET, "S3Key": key},
                # A busy machine needs long for the first call of a function.
                "Timeout": 120,
                **more,
            },
        }

    def log_lines(self, group: str) -> list[str]:
        """What a function printed, without the platform's lines."""
        logs = self.aws.client("logs")
        pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group)
        return list(_printed(event["message"] for page in pages for event in page["events"]))

    def request(self, template: str | Template, parameters: Mapping[str, str]) -> dict[str, Any]:
        return {
            "TemplateBody": template if isinstance(template, str) else json.dumps(template),
            "Parameters": [
                {"ParameterKey": name, "ParameterValue": value}
                for name, value in parameters.items()
            ],
            "Capabilities": CAPABILITIES,
        }


def deploy(stacks: StackDriver, resources: dict[str, Any], **outputs: Any) -> Any:
    template = {
        "Resources": resources,
        "Outputs": {name: {"Value": value} for name, value in outputs.items()},
    }
    stack = stacks.create(template)
    assert stack.status == "CREATE_COMPLETE", stacks.failures(stack)
    return stack


def zipped(files: Mapping[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, textwrap.dedent(text))
    return buffer.getvalue()


def built_function(logical_id: str, artifacts: Path) -> bytes:
    """A function as `sam build` makes it, as a zip."""
    subprocess.run(
        ["make", "-s", f"build-{logical_id}", f"ARTIFACTS_DIR={artifacts}"],
        cwd=REPOSITORY / "functions",
        env={**os.environ, "PYTHON": os.environ.get("PYTHON", "python3")},
        check=True,
    )
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path in sorted(artifacts.rglob("*")):
            archive.write(path, path.relative_to(artifacts))
    return buffer.getvalue()


def seconds_of(started: float) -> float:
    return time.monotonic() - started


def _printed(messages: Iterator[str]) -> Iterator[str]:
    for message in messages:
        if not message.startswith(("START ", "END ", "REPORT ", "INIT_START ")):
            yield message.rstrip("\n")
