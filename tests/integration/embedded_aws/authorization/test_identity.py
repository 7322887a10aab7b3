"""Who calls: signatures, the credentials of tasks and functions, and calls without identity."""

import json
import sys
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from ..conftest import REGION, EmbeddedAws, running_embedded_aws
from ..ecs_tasks import Ecs
from ..roles import Caller, create_role, document_of, refused
from ..stack_driver import StackDriver

TASKS = "ecs-tasks.amazonaws.com"


def client_with(aws: EmbeddedAws, service: str, key: str, secret: str) -> Any:
    return boto3.client(
        service,
        endpoint_url=aws.endpoint_url,
        region_name=REGION,
        aws_access_key_id=key,
        aws_secret_access_key=secret,
    )


@pytest.mark.parametrize(
    ("service", "operation"),
    [("ecs", "list_clusters"), ("sqs", "list_queues"), ("secretsmanager", "list_secrets")],
)
def test_request_without_identity_is_refused(
    embedded_aws: EmbeddedAws, service: str, operation: str
) -> None:
    unsigned = boto3.client(
        service,
        endpoint_url=embedded_aws.endpoint_url,
        region_name=REGION,
        config=Config(signature_version=UNSIGNED),
    )

    with pytest.raises(ClientError) as caught:
        getattr(unsigned, operation)()

    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] in (400, 403)


def test_object_is_not_public(embedded_aws: EmbeddedAws) -> None:
    s3 = embedded_aws.client("s3")
    s3.create_bucket(Bucket="not-public")
    s3.put_object(Bucket="not-public", Key="key", Body=b"")
    unsigned = boto3.client(
        "s3",
        endpoint_url=embedded_aws.endpoint_url,
        region_name=REGION,
        config=Config(signature_version=UNSIGNED),
    )

    for call in (unsigned.get_object, unsigned.put_object, unsigned.delete_object):
        with pytest.raises(ClientError, match="AccessDenied"):
            call(Bucket="not-public", Key="key")


def test_unknown_key_and_wrong_secret_are_refused(embedded_aws: EmbeddedAws) -> None:
    caller = Caller(embedded_aws, {"Action": "*"})
    key = caller.client("ecs")._request_signer._credentials.access_key

    for bad in (("AKIAUNKNOWN", "secret"), (key, "wrong")):
        with pytest.raises(ClientError):
            client_with(embedded_aws, "ecs", *bad).list_clusters()


def test_administrator_may_do_everything(embedded_aws: EmbeddedAws) -> None:
    embedded_aws.client("ecs").list_clusters()
    embedded_aws.client("iam").list_roles()


def test_role_may_do_what_its_policy_allows_and_nothing_else(embedded_aws: EmbeddedAws) -> None:
    caller = Caller(embedded_aws, {"Action": "iam:ListRoles"})

    caller.client("iam").list_roles()
    with refused("iam:ListUsers", "*"):
        caller.client("iam").list_users()


def test_changed_policy_counts_at_the_next_request(embedded_aws: EmbeddedAws) -> None:
    caller = Caller(embedded_aws, {"Action": "iam:ListRoles"})
    caller.client("iam").list_roles()

    caller.may({"Action": "iam:ListUsers"})

    caller.client("iam").list_users()
    with refused("iam:ListRoles", "*"):
        caller.client("iam").list_roles()


def test_deny_wins(embedded_aws: EmbeddedAws) -> None:
    caller = Caller(embedded_aws, {"Action": "*"}, {"Action": "iam:ListRoles", "Effect": "Deny"})

    with pytest.raises(ClientError, match="explicit deny"):
        caller.client("iam").list_roles()


# Prints who calls, and whether it may list roles.
WHO = f"""{sys.executable} -c '
import boto3, botocore.exceptions
print(boto3.client("sts").get_caller_identity()["Arn"])
try:
    boto3.client("iam").list_roles()
except botocore.exceptions.ClientError as error:
    print(error.response["Error"]["Code"])
else:
    print("allowed")
' 2>&1 | tail -2"""


def test_containers_have_the_credentials_of_the_task_role(ecs: Ecs) -> None:
    role = create_role(ecs.aws, TASKS, Action="iam:ListRoles")

    task = ecs.finished(ecs.register(WHO, role=role))

    session = task["taskArn"].rsplit("/", 1)[-1]
    assert ecs.output(task) == [f"{session_arn(role)}/{session}", "allowed"]


def test_override_replaces_the_task_role(ecs: Ecs) -> None:
    role = create_role(ecs.aws, TASKS, Action="iam:ListRoles")
    other = create_role(ecs.aws, TASKS, Action="iam:ListUsers")

    task = ecs.finished(ecs.register(WHO, role=role), overrides={"taskRoleArn": other})

    who, answer = ecs.output(task)
    assert who.startswith(f"{session_arn(other)}/")
    assert answer == "AccessDenied"


def test_container_without_a_task_role_has_no_credentials(ecs: Ecs) -> None:
    task = ecs.finished(ecs.register(WHO))

    assert "Unable to locate credentials" in ecs.output(task)[-1]


def test_function_has_the_credentials_of_its_role(stacks: StackDriver) -> None:
    code = """
import boto3
def handler(event, context):
    boto3.client("iam").list_roles()
    return boto3.client("sts").get_caller_identity()["Arn"]
"""
    stack = stacks.create(
        {
            "Resources": {"Role": role_with("iam:ListRoles"), "Function": stacks.function(code)},
            "Outputs": {"Name": {"Value": {"Ref": "Function"}}},
        }
    )

    answer = stacks.aws.client("lambda").invoke(FunctionName=stack.outputs["Name"])

    role = stacks.physical_id(stack, "Role")
    payload = json.loads(answer["Payload"].read())
    assert payload == f"{session_arn(role)}/{stack.outputs['Name']}"


def test_function_may_not_do_what_its_role_does_not_allow(stacks: StackDriver) -> None:
    code = """
import boto3
def handler(event, context):
    boto3.client("iam").list_users()
"""
    stack = stacks.create(
        {
            "Resources": {"Role": role_with("iam:ListRoles"), "Function": stacks.function(code)},
            "Outputs": {"Name": {"Value": {"Ref": "Function"}}},
        }
    )

    answer = stacks.aws.client("lambda").invoke(FunctionName=stack.outputs["Name"])

    assert "not authorized to perform: iam:ListUsers" in answer["Payload"].read().decode()


def test_function_needs_a_role_that_trusts_lambda(stacks: StackDriver) -> None:
    role = role_with("iam:ListRoles", service=TASKS)

    stack = stacks.create(
        {"Resources": {"Role": role, "Function": stacks.function("def handler(e, c): pass")}}
    )

    assert stack.status == "ROLLBACK_COMPLETE"
    reasons = [event.reason for event in stacks.events(stack)]
    assert any("cannot be assumed by Lambda" in reason for reason in reasons)


def test_refusal_is_in_the_log_and_in_the_record(embedded_aws: EmbeddedAws) -> None:
    caller = Caller(embedded_aws)
    with refused("sqs:ListQueues", "*"):
        caller.client("sqs").list_queues()

    role = caller.role.rsplit("/", 1)[-1]
    log = (embedded_aws.state_dir / "emulator.log").read_text()
    assert any("IAM refuses" in line and role in line for line in log.splitlines())
    record = (embedded_aws.state_dir / "iam-decisions.jsonl").read_text()
    refusals = [line for line in record.splitlines() if '"allowed": false' in line]
    assert any(role in line and "sqs:ListQueues" in line for line in refusals)


def test_refusals_are_served_and_recorded_when_nothing_is_enforced(tmp_path: Path) -> None:
    with running_embedded_aws(tmp_path, enforce_iam=False) as aws:
        Caller(aws).client("iam").list_users()

        record = (aws.state_dir / "iam-decisions.jsonl").read_text()
    assert any(
        '"allowed": false' in line and "iam:ListUsers" in line for line in record.splitlines()
    )


def role_with(action: str, service: str = "lambda.amazonaws.com") -> dict[str, Any]:
    return {
        "Type": "AWS::IAM::Role",
        "Properties": {
            "AssumeRolePolicyDocument": json.loads(
                document_of(
                    {
                        "Effect": "Allow",
                        "Principal": {"Service": service},
                        "Action": "sts:AssumeRole",
                    }
                )
            ),
            "Policies": [
                {
                    "PolicyName": "test",
                    "PolicyDocument": json.loads(
                        document_of({"Effect": "Allow", "Action": action, "Resource": "*"})
                    ),
                }
            ],
        },
    }


def session_arn(role: str) -> str:
    return f"arn:aws:sts::{'0' * 12}:assumed-role/{role.rsplit('/', 1)[-1]}"
