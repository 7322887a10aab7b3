"""Contract: a type without effect on one machine gets an id, keeps it, and can be deleted."""

from ..stack_driver import StackDriver


def test_inert_resource_keeps_its_generated_id(stacks: StackDriver) -> None:
    properties = {
        "ResourceId": "vpc-0123456789abcdef0", "ResourceType": "VPC", "LogGroupName": "refused",
        "DeliverLogsPermissionArn": "arn:aws:iam::000000000000:role/flow-logs",
    }  # fmt: skip
    log = {"Type": "AWS::EC2::FlowLog", "Properties": {**properties, "TrafficType": "ALL"}}
    template = {
        "Resources": {"FlowLog": log},
        "Outputs": {"Id": {"Value": {"Fn::GetAtt": ["FlowLog", "Id"]}}},
    }
    stack = stacks.create(template)
    assert stack.outputs["Id"].startswith("fl-")
    log["Properties"] = {**properties, "TrafficType": "REJECT"}

    updated = stacks.update(stack, template)

    assert updated.outputs["Id"] == stack.outputs["Id"]
    assert stacks.delete(stack).status == "DELETE_COMPLETE"
