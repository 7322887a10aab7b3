"""Contract: the real SAM CLI builds, deploys, rolls back and leaves nothing."""

import os
import shutil
import subprocess
import sys
import textwrap
import uuid
from pathlib import Path

import pytest
from waiting import PATIENCE_SECONDS

from ..stack_driver import Stack, StackDriver

PARENT = """
Transform: [AWS::LanguageExtensions, AWS::Serverless-2016-10-31]
Parameters:
  Names: {Type: String, Default: "First,Second"}
  Answer: {Type: String, Default: SUCCESS}
Resources:
  QueuesStack:
    Type: AWS::CloudFormation::Stack
    Properties:
      TemplateURL: nested/queues.yaml
      Parameters: {Names: !Ref Names}
  FunctionStack:
    Type: AWS::CloudFormation::Stack
    Properties:
      TemplateURL: nested/function.yaml
      Parameters:
        QueueUrl: !GetAtt QueuesStack.Outputs.FirstUrl
        Answer: !Ref Answer
Outputs:
  Word: {Value: !GetAtt FunctionStack.Outputs.Word}
  FunctionName: {Value: !GetAtt FunctionStack.Outputs.FunctionName}
"""
QUEUES = """
Transform: AWS::LanguageExtensions
Parameters:
  Names: {Type: CommaDelimitedList}
Resources:
  Fn::ForEach::Queues:
    - Name
    - !Ref Names
    - ${Name}Queue: {Type: AWS::SQS::Queue}
Outputs:
  FirstUrl: {Value: !Ref FirstQueue}
"""
FUNCTION = """
Transform: AWS::Serverless-2016-10-31
Parameters:
  QueueUrl: {Type: String}
  Answer: {Type: String}
Resources:
  LogGroup: {Type: AWS::Logs::LogGroup, Properties: {RetentionInDays: 1}}
  Function:
    Type: AWS::Serverless::Function
    Metadata: {BuildMethod: makefile}
    Properties:
      Runtime: python3.13
      Handler: greet.handler
      Timeout: 120
      CodeUri: ../functions/
      LoggingConfig: {LogGroup: !Ref LogGroup}
      Policies:
        - Version: "2012-10-17"
          Statement: [{Effect: Allow, Action: sqs:SendMessage, Resource: "*"}]
  Greeting:
    Type: Custom::Greeting
    Properties:
      ServiceToken: !GetAtt Function.Arn
      ServiceTimeout: 300
      QueueUrl: !Ref QueueUrl
      Answer: !Ref Answer
Outputs:
  Word: {Value: !GetAtt Greeting.Word}
  FunctionName: {Value: !Ref Function}
"""
MAKEFILE = """
build-Function:
\tcp greet.py "$(ARTIFACTS_DIR)/"
"""
GREET = """
import json
import urllib.request


def handler(event, context):
    properties = event["ResourceProperties"]
    answer = "SUCCESS" if event["RequestType"] == "Delete" else properties["Answer"]
    body = {
        "Status": answer,
        "Reason": "asked to",
        "PhysicalResourceId": "greeting",
        "Data": {"Word": properties["QueueUrl"].rsplit("/", 1)[-1]},
        **{name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")},
    }
    url = event["ResponseURL"]
    put = urllib.request.Request(url, json.dumps(body).encode(), method="PUT")
    urllib.request.urlopen(put)
"""
SAM = os.environ.get("SAM_CLI") or shutil.which("sam", path=str(Path(sys.executable).parent))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    files = {
        "template.yaml": PARENT, "nested/queues.yaml": QUEUES, "nested/function.yaml": FUNCTION,
        "functions/Makefile": MAKEFILE, "functions/greet.py": GREET,
    }  # fmt: skip
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(textwrap.dedent(text).lstrip("\n"))
    return tmp_path


def sam(stacks: StackDriver, project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    assert SAM, "the SAM CLI is not beside this Python: run `make setup` or set SAM_CLI"
    environment = {
        "PATH": f"{Path(SAM).parent}:{os.environ['PATH']}",
        "HOME": str(project),
        "AWS_ENDPOINT_URL": stacks.aws.endpoint_url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "SAM_CLI_TELEMETRY": "0",
    }
    return subprocess.run(
        [SAM, *arguments], cwd=project, env=environment, text=True, timeout=4 * PATIENCE_SECONDS,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def build(stacks: StackDriver, project: Path) -> None:
    built = sam(stacks, project, "build", "--language-extensions")
    assert built.returncode == 0, built.stdout


def deploy(
    stacks: StackDriver, project: Path, name: str, *overrides: str
) -> subprocess.CompletedProcess[str]:
    parameters = ["--parameter-overrides", *overrides] if overrides else []
    return sam(
        stacks, project, "deploy", "--stack-name", name, "--resolve-s3", "--language-extensions",
        "--no-confirm-changeset", "--capabilities", "CAPABILITY_IAM", "CAPABILITY_NAMED_IAM",
        "CAPABILITY_AUTO_EXPAND", *parameters,
    )  # fmt: skip


def left_of(stacks: StackDriver, name: str) -> list[str]:
    """What has the stack's name after its deletion."""
    client = stacks.aws.client
    found = [
        *client("sqs").list_queues().get("QueueUrls", []),
        *(one["FunctionName"] for one in client("lambda").list_functions()["Functions"]),
        *(one["logGroupName"] for one in client("logs").describe_log_groups()["logGroups"]),
        *(one["RoleName"] for one in client("iam").list_roles()["Roles"]),
        *(one["StackName"] for one in client("cloudformation").describe_stacks()["Stacks"]),
    ]
    return [one for one in found if name in one]


def test_sam_deploys_changes_and_deletes_a_project(stacks: StackDriver, project: Path) -> None:
    name = f"sam-{uuid.uuid4().hex[:8]}"
    build(stacks, project)

    created = deploy(stacks, project, name)

    assert created.returncode == 0, created.stdout
    stack: Stack = stacks.describe(name)
    assert stack.status == "CREATE_COMPLETE"
    assert "FirstQueue" in stack.outputs["Word"]

    updated = deploy(stacks, project, name, "Names=First,Second,Third")
    assert updated.returncode == 0, updated.stdout
    queues = stacks.aws.client("sqs").list_queues()["QueueUrls"]
    assert len([url for url in queues if name in url]) == 3

    failed = deploy(stacks, project, name, "Names=First", "Answer=FAILED")
    assert failed.returncode != 0
    assert "asked to" in failed.stdout
    assert stacks.wait(stack.id).status == "UPDATE_ROLLBACK_COMPLETE"
    queues = stacks.aws.client("sqs").list_queues()["QueueUrls"]
    assert len([url for url in queues if name in url]) == 3

    answer = stacks.aws.client("lambda").list_functions()["Functions"]
    assert stack.outputs["FunctionName"] in [one["FunctionName"] for one in answer]
    assert stacks.delete(stack).status == "DELETE_COMPLETE"
    assert left_of(stacks, name) == []


def test_failed_first_deployment_leaves_nothing(stacks: StackDriver, project: Path) -> None:
    name = f"sam-{uuid.uuid4().hex[:8]}"
    build(stacks, project)

    failed = deploy(stacks, project, name, "Answer=FAILED")

    assert failed.returncode != 0
    stack = stacks.wait(name)
    assert stack.status == "ROLLBACK_COMPLETE"
    reason = stacks.failures(stack)["FunctionStack"]
    assert "Greeting" in reason and "asked to" in reason
    stacks.delete(stack)
    assert left_of(stacks, name) == []
