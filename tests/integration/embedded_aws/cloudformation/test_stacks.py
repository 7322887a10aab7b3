"""Contract: nested stacks are complete stacks, linked to their parent."""

import json
from typing import Any

from ..stack_driver import Stack, StackDriver

LOOPING_CHILD = """
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
SAM_CHILD = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Machine:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.13
      Handler: index.handler
      InlineCode: "def handler(event, context): return 'from a SAM child'"
Outputs:
  FunctionName: {Value: !Ref Machine}
"""
QUEUE_CHILD = """
Parameters:
  Delay: {Type: String, Default: "0"}
Resources:
  Queue: {Type: AWS::SQS::Queue, Properties: {DelaySeconds: !Ref Delay}}
Outputs:
  QueueUrl: {Value: !Ref Queue}
"""
BROKEN_CHILD = QUEUE_CHILD.replace(
    "Outputs:",
    """  Broken:
    Type: AWS::SSM::Parameter
    DependsOn: Queue
    Properties: {Type: NoSuchType, Value: x}
Outputs:""",
)


def parent_of(**urls: str) -> dict[str, Any]:
    return {
        "Resources": {
            name: {"Type": "AWS::CloudFormation::Stack", "Properties": {"TemplateURL": url}}
            for name, url in urls.items()
        }
    }


def child_of(stacks: StackDriver, parent: Stack, logical_id: str) -> Stack:
    return stacks.describe(stacks.physical_id(parent, logical_id))


def test_child_with_a_loop_passes_its_outputs_to_the_parent(stacks: StackDriver) -> None:
    template = parent_of(Child=stacks.upload(LOOPING_CHILD))
    template["Resources"]["Child"]["Properties"]["Parameters"] = {"Names": "First,Second"}
    template["Outputs"] = {"Url": {"Value": {"Fn::GetAtt": ["Child", "Outputs.FirstUrl"]}}}

    parent = stacks.create(template)

    assert parent.status == "CREATE_COMPLETE", stacks.failures(parent)
    child = child_of(stacks, parent, "Child")
    assert parent.outputs["Url"] == stacks.physical_id(child, "FirstQueue")
    assert stacks.physical_id(child, "SecondQueue")


def test_sam_transform_of_a_child_is_applied(stacks: StackDriver) -> None:
    parent = stacks.create(parent_of(Child=stacks.upload(SAM_CHILD)))

    name = child_of(stacks, parent, "Child").outputs["FunctionName"]
    answer = stacks.aws.client("lambda").invoke(FunctionName=name)
    assert json.loads(answer["Payload"].read()) == "from a SAM child"


def test_nested_stacks_have_parent_and_root_ids(stacks: StackDriver) -> None:
    middle = parent_of(Inner=stacks.upload(QUEUE_CHILD))

    root = stacks.create(parent_of(Middle=stacks.upload(middle)))

    middle_stack = child_of(stacks, root, "Middle")
    inner_stack = child_of(stacks, middle_stack, "Inner")
    assert middle_stack.described["ParentId"] == root.id
    assert inner_stack.described["ParentId"] == middle_stack.id
    assert inner_stack.described["RootId"] == root.id
    assert "ParentId" not in root.described


def test_events_of_the_parent_hold_the_id_of_a_child_that_starts(stacks: StackDriver) -> None:
    parent = stacks.create(parent_of(Child=stacks.upload(QUEUE_CHILD)))

    child = child_of(stacks, parent, "Child")
    first_with_id = next(event for event in stacks.events(parent) if event.physical_id == child.id)
    assert first_with_id.status == "CREATE_IN_PROGRESS"
    assert [event.logical_id for event in stacks.events(child)].count("Queue") == 2


def test_failed_creation_of_a_child_rolls_everything_back(stacks: StackDriver) -> None:
    template = parent_of(Good=stacks.upload(QUEUE_CHILD), Bad=stacks.upload(BROKEN_CHILD))
    template["Resources"]["Bad"]["DependsOn"] = "Good"
    queues_before = _queues(stacks)

    parent = stacks.create(template)

    assert parent.status == "ROLLBACK_COMPLETE"
    reason = stacks.failures(parent)["Bad"]
    assert "Embedded stack" in reason and "Broken" in reason and "NoSuchType" in reason
    assert _queues(stacks) == queues_before
    ids = {event.physical_id for event in stacks.events(parent) if event.physical_id}
    children = [stacks.describe(one) for one in ids if one != parent.id]
    assert [child.status for child in children] == ["DELETE_COMPLETE"] * 2


def test_failed_update_of_a_child_reverts_its_siblings(stacks: StackDriver) -> None:
    template = parent_of(First=stacks.upload(QUEUE_CHILD), Second=stacks.upload(QUEUE_CHILD))
    template["Resources"]["Second"]["DependsOn"] = "First"
    parent = stacks.create(template)
    first = child_of(stacks, parent, "First")
    second = child_of(stacks, parent, "Second")
    template["Resources"]["First"]["Properties"]["Parameters"] = {"Delay": "7"}
    template["Resources"]["Second"]["Properties"]["TemplateURL"] = stacks.upload(BROKEN_CHILD)

    updated = stacks.update(parent, template)

    assert updated.status == "UPDATE_ROLLBACK_COMPLETE"
    assert "NoSuchType" in stacks.failures(parent)["Second"]
    assert stacks.describe(second.id).status == "UPDATE_ROLLBACK_COMPLETE"
    assert _delay(stacks, first.outputs["QueueUrl"]) == "0"
    assert stacks.describe(first.id).status in ("UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE")


def test_child_is_updated_when_its_template_changes(stacks: StackDriver) -> None:
    parent = stacks.create(parent_of(Child=stacks.upload(QUEUE_CHILD)))
    child = child_of(stacks, parent, "Child")
    changed = QUEUE_CHILD.replace('Default: "0"', 'Default: "9"')

    updated = stacks.update(parent, parent_of(Child=stacks.upload(changed)))

    assert updated.status == "UPDATE_COMPLETE"
    assert child_of(stacks, parent, "Child").id == child.id
    assert _delay(stacks, child.outputs["QueueUrl"]) == "9"


def test_child_is_not_touched_when_only_its_url_changes(stacks: StackDriver) -> None:
    parent = stacks.create(parent_of(Child=stacks.upload(QUEUE_CHILD)))
    child = child_of(stacks, parent, "Child")
    events_before = stacks.events(child)

    # The same template in other bytes has another URL.
    same = stacks.upload(QUEUE_CHILD + "# The end.\n")
    updated = stacks.update(parent, parent_of(Child=same))

    assert updated.status == "UPDATE_COMPLETE"
    assert stacks.events(child) == events_before


def test_deletion_of_the_parent_deletes_children_in_reverse_order(stacks: StackDriver) -> None:
    template = parent_of(First=stacks.upload(QUEUE_CHILD), Second=stacks.upload(QUEUE_CHILD))
    template["Resources"]["Second"]["DependsOn"] = "First"
    queues_before = _queues(stacks)
    parent = stacks.create(template)

    deleted = stacks.delete(parent)

    assert deleted.status == "DELETE_COMPLETE"
    assert _queues(stacks) == queues_before
    order = [e.logical_id for e in stacks.events(parent) if e.status == "DELETE_COMPLETE"]
    assert order == ["Second", "First", parent.name]


def test_events_of_all_stacks_of_a_root_name_what_its_deletion_keeps(
    stacks: StackDriver,
) -> None:
    keeping = {"Resources": {"Kept": {"Type": "AWS::SQS::Queue", "DeletionPolicy": "Retain"}}}
    parent = stacks.create(parent_of(Child=stacks.upload(keeping)))
    child = child_of(stacks, parent, "Child")
    queue = stacks.physical_id(child, "Kept")

    stacks.delete(parent)

    cloudformation = stacks.aws.client("cloudformation")
    listed = cloudformation.list_stacks(StackStatusFilter=["DELETE_COMPLETE"])["StackSummaries"]
    assert [s["StackId"] for s in listed if s.get("RootId") == parent.id] == [child.id]
    events = cloudformation.describe_stack_events(StackName=child.id)["StackEvents"]
    skipped = [e for e in events if e["ResourceStatus"] == "DELETE_SKIPPED"]
    assert [e["PhysicalResourceId"] for e in skipped] == [queue]


def test_list_is_refused_as_parameter_of_a_child(stacks: StackDriver) -> None:
    template = parent_of(Child=stacks.upload(LOOPING_CHILD))
    template["Resources"]["Child"]["Properties"]["Parameters"] = {"Names": ["First", "Second"]}

    parent = stacks.create(template)

    assert parent.status == "ROLLBACK_COMPLETE"
    assert "must be an object with String" in stacks.failures(parent)["Child"]


def _queues(stacks: StackDriver) -> list[str]:
    return sorted(stacks.aws.client("sqs").list_queues().get("QueueUrls", []))


def _delay(stacks: StackDriver, url: str) -> str:
    answer = stacks.aws.client("sqs").get_queue_attributes(
        QueueUrl=url, AttributeNames=["DelaySeconds"]
    )
    return str(answer["Attributes"]["DelaySeconds"])
