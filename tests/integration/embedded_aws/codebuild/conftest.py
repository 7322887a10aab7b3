"""Projects of CodeBuild for the contract tests."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from ..conftest import EmbeddedAws, eventually
from ..ecr.conftest import repository as repository
from ..stack_driver import Stack, StackDriver

GROUP = "/test/builds"
LOGS = {"Action": ["logs:CreateLogStream", "logs:PutLogEvents"]}


def trust(service: str = "codebuild.amazonaws.com") -> dict[str, Any]:
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": service},
                "Action": "sts:AssumeRole",
                "Condition": {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}},
            }
        ],
    }


def template(
    buildspec: str, *statements: dict[str, Any], service: str = "codebuild.amazonaws.com",
    **properties: Any,
) -> dict[str, Any]:  # fmt: skip
    """A project whose role may write its log, and what the statements say."""
    allowed = [{"Effect": "Allow", "Resource": "*", **one} for one in statements or (LOGS,)]
    return {
        "Resources": {
            "Group": {"Type": "AWS::Logs::LogGroup", "Properties": {"RetentionInDays": 7}},
            "Role": {
                "Type": "AWS::IAM::Role",
                "Properties": {
                    "AssumeRolePolicyDocument": trust(service),
                    "Policies": [
                        {
                            "PolicyName": "build",
                            "PolicyDocument": {"Version": "2012-10-17", "Statement": allowed},
                        }
                    ],
                },
            },
            "Project": {
                "Type": "AWS::CodeBuild::Project",
                "Properties": {
                    "ServiceRole": {"Fn::GetAtt": ["Role", "Arn"]},
                    "Artifacts": {"Type": "NO_ARTIFACTS"},
                    "Environment": {
                        "Type": "ARM_CONTAINER",
                        "Image": "aws/codebuild/amazonlinux-aarch64-standard:3.0",
                        "ComputeType": "BUILD_GENERAL1_SMALL",
                        "PrivilegedMode": True,
                    },
                    "LogsConfig": {
                        "CloudWatchLogs": {"Status": "ENABLED", "GroupName": {"Ref": "Group"}}
                    },
                    "Source": {"Type": "NO_SOURCE", "BuildSpec": buildspec},
                    **properties,
                },
            },
        },
        "Outputs": {
            "Name": {"Value": {"Ref": "Project"}},
            "Arn": {"Value": {"Fn::GetAtt": ["Project", "Arn"]}},
            "Role": {"Value": {"Fn::GetAtt": ["Role", "Arn"]}},
            "Group": {"Value": {"Ref": "Group"}},
        },
    }


def buildspec(**phases: list[str]) -> str:
    described = {name: {"commands": commands} for name, commands in phases.items()}
    return json.dumps({"version": "0.2", "env": {"shell": "bash"}, "phases": described}) + "\n"


@dataclass(frozen=True)
class Project:
    aws: EmbeddedAws
    stack: Stack

    @property
    def name(self) -> str:
        return self.stack.outputs["Name"]

    @property
    def api(self) -> Any:
        return self.aws.client("codebuild")

    def start(self, **arguments: Any) -> str:
        build: str = self.api.start_build(projectName=self.name, **arguments)["build"]["id"]
        return build

    def build(self, **arguments: Any) -> dict[str, Any]:
        """A build that has ended."""
        return self.ended(self.start(**arguments))

    def ended(self, build: str) -> dict[str, Any]:
        def found() -> Any:
            (described,) = self.api.batch_get_builds(ids=[build])["builds"]
            return described if described["buildStatus"] != "IN_PROGRESS" else None

        ended: dict[str, Any] = eventually(found)
        return ended

    def log(self, build: dict[str, Any]) -> str:
        events = self.aws.client("logs").get_log_events(
            logGroupName=build["logs"]["groupName"],
            logStreamName=build["logs"]["streamName"],
            startFromHead=True,
        )["events"]
        return "".join(event["message"] for event in events)


class Projects:
    """Makes projects, each in a stack of its own."""

    def __init__(self, stacks: StackDriver) -> None:
        self._stacks = stacks
        self._made: list[Stack] = []

    def create(self, *arguments: Any, **properties: Any) -> Project:
        stack = self._stacks.create(template(*arguments, **properties))
        assert stack.status == "CREATE_COMPLETE", self._stacks.failures(stack)
        self._made.append(stack)
        return Project(self._stacks.aws, stack)

    def delete(self) -> None:
        for stack in self._made:
            self._stacks.delete(stack)


@pytest.fixture
def projects(stacks: StackDriver) -> Iterator[Projects]:
    made = Projects(stacks)
    yield made
    made.delete()
