"""Contract: what a failed create left is deleted, except for what policies keep."""

from typing import Any

import pytest

from ..stack_driver import EXECUTION_ROLE, StackDriver

FILLS_A_BUCKET_AND_FAILS = """
import json
import urllib.request

import boto3


def handler(event, context):
    if event["RequestType"] == "Create":
        bucket = event["ResourceProperties"]["Bucket"]
        boto3.client("s3").put_object(Bucket=bucket, Key="left over", Body=b"x")
    status = "FAILED" if event["RequestType"] == "Create" else "SUCCESS"
    body = {"Status": status, "Reason": "as told", "PhysicalResourceId": "filling"}
    put = urllib.request.Request(event["ResponseURL"], json.dumps(body).encode(), method="PUT")
    urllib.request.urlopen(put)
"""
FAILING = {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "NoSuchType", "Value": "x"}}


def queue(policy: str) -> dict[str, Any]:
    return {"Type": "AWS::SQS::Queue", "DeletionPolicy": policy, "Properties": {}}


def queue_exists(stacks: StackDriver, url: str) -> bool:
    return url in stacks.aws.client("sqs").list_queues().get("QueueUrls", [])


@pytest.mark.parametrize(
    ("policy", "kept"), [("Delete", False), ("Retain", True), ("RetainExceptOnCreate", True)]
)
def test_deletion_of_a_stack_follows_the_policy(
    stacks: StackDriver, policy: str, kept: bool
) -> None:
    stack = stacks.create({"Resources": {"Queue": queue(policy)}})
    url = stacks.physical_id(stack, "Queue")

    assert stacks.delete(stack).status == "DELETE_COMPLETE"

    assert queue_exists(stacks, url) is kept


@pytest.mark.parametrize(
    ("policy", "kept"), [("Delete", False), ("Retain", True), ("RetainExceptOnCreate", False)]
)
@pytest.mark.parametrize("nested", [False, True])
def test_rollback_of_a_creation_follows_the_policy(
    stacks: StackDriver, policy: str, kept: bool, nested: bool
) -> None:
    template: dict[str, Any] = {"Resources": {"Queue": queue(policy)}}
    if nested:
        child = {"TemplateURL": stacks.upload(template)}
        template = {
            "Resources": {"Child": {"Type": "AWS::CloudFormation::Stack", "Properties": child}}
        }
    made_by = next(iter(template["Resources"]))
    template["Resources"]["Failing"] = {**FAILING, "DependsOn": made_by}

    stack = stacks.create(template)

    assert stack.status == "ROLLBACK_COMPLETE"
    made = next(e for e in stacks.events(stack) if e.logical_id == made_by and e.physical_id)
    holder = stacks.describe(made.physical_id) if nested else stack
    url = next(
        e.physical_id for e in stacks.events(holder) if e.logical_id == "Queue" and e.physical_id
    )
    assert queue_exists(stacks, url) is kept


def test_failed_child_stays_until_deletion_when_rollback_is_disabled(
    stacks: StackDriver,
) -> None:
    child = {"Resources": {"Queue": queue("Delete"), "Failing": {**FAILING, "DependsOn": "Queue"}}}
    parent = {
        "Resources": {
            "Child": {
                "Type": "AWS::CloudFormation::Stack",
                "Properties": {"TemplateURL": stacks.upload(child)},
            }
        }
    }
    answer = stacks.aws.client("cloudformation").create_stack(
        StackName="keeps-its-failure", DisableRollback=True, **stacks.request(parent, {})
    )
    failed = stacks.wait(answer["StackId"])
    failed_child = stacks.describe(stacks.physical_id(failed, "Child"))
    url = stacks.physical_id(failed_child, "Queue")
    assert (failed.status, failed_child.status) == ("CREATE_FAILED", "CREATE_FAILED")
    assert queue_exists(stacks, url)

    assert stacks.delete(failed).status == "DELETE_COMPLETE"

    assert not queue_exists(stacks, url)


def test_deletion_retries_what_the_rollback_could_not_delete(
    stacks: StackDriver,
) -> None:
    """A bucket in a nested stack: the failure reaches the root, and the retry the bucket."""
    s3 = stacks.aws.client("s3")
    child = {
        "Resources": {"Bucket": {"Type": "AWS::S3::Bucket", "DeletionPolicy": "Delete"}},
        "Outputs": {"Name": {"Value": {"Ref": "Bucket"}}},
    }
    filling = {
        "ServiceToken": {"Fn::GetAtt": ["Filler", "Arn"]},
        "ServiceTimeout": 300,
        "Bucket": {"Fn::GetAtt": ["Child", "Outputs.Name"]},
    }
    stack = stacks.create(
        {
            "Resources": {
                "Role": EXECUTION_ROLE,
                "Filler": stacks.function(FILLS_A_BUCKET_AND_FAILS),
                "Child": {
                    "Type": "AWS::CloudFormation::Stack",
                    "Properties": {"TemplateURL": stacks.upload(child)},
                },
                "Filling": {"Type": "Custom::Filling", "Properties": filling},
            }
        }
    )
    assert stack.status == "ROLLBACK_FAILED"
    assert "not empty" in stacks.failures(stack)["Child"]
    child_id = next(e.physical_id for e in stacks.events(stack) if e.logical_id == "Child"
                    and e.physical_id)  # fmt: skip
    bucket = stacks.physical_id(stacks.describe(child_id), "Bucket")
    s3.delete_object(Bucket=bucket, Key="left over")

    assert stacks.delete(stack).status == "DELETE_COMPLETE"

    assert bucket not in [one["Name"] for one in s3.list_buckets()["Buckets"]]
