"""Contract: a change set with IncludeNestedStacks lists the changes of the children."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from ..stack_driver import Stack, StackDriver

ONE_QUEUE = """
Parameters:
  Delay: {Type: String, Default: "0"}
Resources:
  Queue: {Type: AWS::SQS::Queue, Properties: {DelaySeconds: !Ref Delay}}
"""
TWO_QUEUES = ONE_QUEUE + "  Another: {Type: AWS::SQS::Queue}\n"


def parent(url: str) -> dict[str, Any]:
    child = {"Type": "AWS::CloudFormation::Stack", "Properties": {"TemplateURL": url}}
    return {"Resources": {"Child": child}}


def change_set(
    stacks: StackDriver, stack_name: str, template: dict[str, Any], kind: str
) -> dict[str, Any]:
    cloudformation = stacks.aws.client("cloudformation")
    cloudformation.create_change_set(
        StackName=stack_name,
        ChangeSetName="review",
        ChangeSetType=kind,
        IncludeNestedStacks=True,
        **stacks.request(template, {}),
    )
    described: dict[str, Any] = cloudformation.describe_change_set(
        StackName=stack_name, ChangeSetName="review"
    )
    return described


def child_changes(stacks: StackDriver, described: dict[str, Any]) -> list[tuple[str, str]]:
    change = described["Changes"][0]["ResourceChange"]
    child = stacks.aws.client("cloudformation").describe_change_set(
        ChangeSetName=change["ChangeSetId"]
    )
    assert child["ParentChangeSetId"] == described["ChangeSetId"]
    assert child["RootChangeSetId"] == described["ChangeSetId"]
    changes = [one["ResourceChange"] for one in child["Changes"]]
    return [(one["Action"], one["LogicalResourceId"]) for one in changes]


def test_new_child_lists_additions(stacks: StackDriver) -> None:
    described = change_set(stacks, "reviewed-new", parent(stacks.upload(TWO_QUEUES)), "CREATE")

    assert described["IncludeNestedStacks"] is True
    assert child_changes(stacks, described) == [("Add", "Another"), ("Add", "Queue")]


def test_existing_child_lists_only_the_difference(stacks: StackDriver) -> None:
    stack = stacks.create(parent(stacks.upload(ONE_QUEUE)))

    described = change_set(stacks, stack.name, parent(stacks.upload(TWO_QUEUES)), "UPDATE")

    assert child_changes(stacks, described) == [("Add", "Another")]


def test_executing_the_root_updates_the_children(stacks: StackDriver) -> None:
    stack = stacks.create(parent(stacks.upload(ONE_QUEUE)))
    described = change_set(stacks, stack.name, parent(stacks.upload(TWO_QUEUES)), "UPDATE")
    cloudformation = stacks.aws.client("cloudformation")

    cloudformation.execute_change_set(ChangeSetName=described["ChangeSetId"])

    assert stacks.wait(stack.id).status == "UPDATE_COMPLETE"
    child: Stack = stacks.describe(stacks.physical_id(stack, "Child"))
    assert stacks.physical_id(child, "Another")


def test_change_set_of_a_child_cannot_be_executed(stacks: StackDriver) -> None:
    stack = stacks.create(parent(stacks.upload(ONE_QUEUE)))
    described = change_set(stacks, stack.name, parent(stacks.upload(TWO_QUEUES)), "UPDATE")
    child_id = described["Changes"][0]["ResourceChange"]["ChangeSetId"]

    with pytest.raises(ClientError, match="root change set"):
        stacks.aws.client("cloudformation").execute_change_set(ChangeSetName=child_id)
