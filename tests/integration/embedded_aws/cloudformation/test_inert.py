"""Contract: a type that means nothing on one machine gets an id, keeps it, and goes."""

from ..stack_driver import StackDriver


def test_id_is_generated_and_kept_when_an_inert_resource_changes(stacks: StackDriver) -> None:
    log = {"Type": "AWS::EC2::FlowLog", "Properties": {"TrafficType": "ALL"}}
    template = {
        "Resources": {"FlowLog": log},
        "Outputs": {"Id": {"Value": {"Fn::GetAtt": ["FlowLog", "Id"]}}},
    }
    stack = stacks.create(template)
    assert stack.outputs["Id"].startswith("fl-")
    log["Properties"] = {"TrafficType": "REJECT"}

    updated = stacks.update(stack, template)

    assert updated.outputs["Id"] == stack.outputs["Id"]
    assert stacks.delete(stack).status == "DELETE_COMPLETE"
