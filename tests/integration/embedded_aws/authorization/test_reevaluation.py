"""The report: which statements a run needed, by removing each from the recorded requests."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ..conftest import EMULATOR_PYTHON, REPOSITORY, EmbeddedAws
from ..roles import Caller, document_of
from ..stack_driver import StackDriver


def report(aws: EmbeddedAws, *options: str) -> str:
    """The report of the embedded AWS's record, as `make iam-report` makes it."""
    return subprocess.run(
        [
            EMULATOR_PYTHON,
            "-m",
            "embedded_aws.authorization.report",
            aws.state_dir / "iam-decisions.jsonl",
            *options,
        ],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY / "local")},
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def verdicts(aws: EmbeddedAws, caller: Caller) -> dict[tuple[str, str | None], tuple[bool, bool]]:
    """Whether each statement, and each action of it, was used and needed."""
    subject = f"role/{caller.role.rsplit('/', 1)[-1]}"
    return {
        (found["statement"]["name"], found["action"]): (bool(found["used"]), bool(found["needed"]))
        for found in json.loads(report(aws, "--json"))["verdicts"]
        if found["statement"]["subject"] == subject and found["statement"]["document"] == "test"
    }


def statement(sid: str, *actions: str, **more: Any) -> dict[str, Any]:
    return {"Sid": sid, "Action": list(actions), **more}


def test_statement_is_needed_when_a_request_would_be_refused_without_it(
    embedded_aws: EmbeddedAws,
) -> None:
    caller = Caller(
        embedded_aws, statement("Roles", "iam:ListRoles"), statement("Users", "iam:ListUsers")
    )

    caller.client("iam").list_roles()

    assert verdicts(embedded_aws, caller) == {
        ("Roles", None): (True, True),
        ("Users", None): (False, False),
    }


def test_actions_of_a_statement_are_judged_one_by_one(embedded_aws: EmbeddedAws) -> None:
    caller = Caller(embedded_aws, statement("Lists", "iam:ListRoles", "iam:ListUsers"))

    caller.client("iam").list_users()

    assert verdicts(embedded_aws, caller) == {
        ("Lists", None): (True, True),
        ("Lists", "iam:ListRoles"): (False, False),
        ("Lists", "iam:ListUsers"): (True, True),
    }


def test_statement_is_not_needed_when_another_allows_the_same(embedded_aws: EmbeddedAws) -> None:
    caller = Caller(
        embedded_aws, statement("Roles", "iam:ListRoles"), statement("Any", "iam:List*")
    )

    caller.client("iam").list_roles()

    found = verdicts(embedded_aws, caller)
    assert found == {("Roles", None): (True, False), ("Any", None): (True, False)}


def test_conditions_are_evaluated_with_the_recorded_context(embedded_aws: EmbeddedAws) -> None:
    service = {"StringEquals": {"iam:AWSServiceName": "ecs.amazonaws.com"}}
    caller = Caller(
        embedded_aws,
        statement("Ecs", "iam:CreateServiceLinkedRole", Condition=service),
        statement("Users", "iam:ListUsers"),
    )

    try:
        caller.client("iam").create_service_linked_role(AWSServiceName="ecs.amazonaws.com")
    except ClientError as error:  # an earlier test may have made it
        assert error.response["Error"]["Code"] != "AccessDenied"
    with pytest.raises(ClientError, match="AccessDenied"):
        caller.client("iam").create_service_linked_role(AWSServiceName="rds.amazonaws.com")

    assert verdicts(embedded_aws, caller)["Ecs", None] == (True, True)


def test_each_version_of_a_policy_is_judged_by_its_own_requests(
    embedded_aws: EmbeddedAws,
) -> None:
    caller = Caller(embedded_aws, statement("Roles", "iam:ListRoles"))
    caller.client("iam").list_roles()
    caller.may(statement("Roles", "iam:ListRoles"), statement("Any", "iam:List*"))
    caller.client("iam").list_users()

    assert verdicts(embedded_aws, caller) == {
        ("Roles", None): (True, True),
        ("Any", None): (True, True),
    }


def test_report_names_what_was_not_used_and_what_was_refused(embedded_aws: EmbeddedAws) -> None:
    caller = Caller(embedded_aws, statement("Never", "iam:ListUsers"))
    with pytest.raises(ClientError):
        caller.client("sqs").list_queues()

    text = report(embedded_aws)

    role = caller.role.rsplit("/", 1)[-1]
    unused, refused = text.split("\nRefused")
    assert f"role/{role}  test  Never  iam:ListUsers" in unused
    assert f"assumed-role/{role}/test  sqs:ListQueues  *" in refused


def test_statement_of_a_stack_is_named_by_its_place(stacks: StackDriver) -> None:
    trust = {
        "Effect": "Allow",
        "Principal": {"Service": "lambda.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    own = {"Sid": "Own", "Effect": "Allow", "Action": "iam:ListRoles", "Resource": "*"}
    role = {
        "Type": "AWS::IAM::Role",
        "Properties": {
            "AssumeRolePolicyDocument": json.loads(document_of(trust)),
            "Policies": [{"PolicyName": "test", "PolicyDocument": json.loads(document_of(own))}],
        },
    }
    permission = {
        "Type": "AWS::Lambda::Permission",
        "Properties": {
            "FunctionName": {"Ref": "Function"},
            "Action": "lambda:InvokeFunction",
            "Principal": "events.amazonaws.com",
        },
    }
    function = stacks.function("def handler(event, context): pass")
    inner = {"Resources": {"Role": role, "Function": function, "Permission": permission}}
    child = {
        "Type": "AWS::CloudFormation::Stack",
        "Properties": {"TemplateURL": stacks.upload(inner)},
    }

    stack = stacks.create({"Resources": {"Child": child}})

    assert stack.status == "CREATE_COMPLETE", stacks.failures(stack)
    text = report(stacks.aws)
    assert f"{stack.name}/Child/Role  test  Own  iam:ListRoles" in text
    assert f"{stack.name}/Child  policy  Permission  lambda:InvokeFunction" in text


def test_record_is_bounded(embedded_aws: EmbeddedAws) -> None:
    caller = Caller(embedded_aws, statement("Secrets", "secretsmanager:GetSecretValue"))
    client = caller.client("secretsmanager")

    for number in range(20):
        with pytest.raises(client.exceptions.ResourceNotFoundException):
            client.get_secret_value(SecretId=f"secret-{number}")

    role = caller.role.rsplit("/", 1)[-1]
    lines = Path(embedded_aws.state_dir / "iam-decisions.jsonl").read_text().splitlines()
    decisions = [line for line in lines if role in line and '"type": "decision"' in line]
    assert len([line for line in decisions if "GetSecretValue" in line]) == 5
