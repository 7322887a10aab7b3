"""Contract: an update touches only what differs, and its events name nothing else."""

from typing import Any

from ..stack_driver import StackDriver


def parameter(value: Any) -> dict[str, Any]:
    return {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": value}}


TEMPLATE = {
    "Parameters": {"Word": {"Type": "String"}},
    "Resources": {
        "Changing": parameter({"Ref": "Word"}),
        "Constant": parameter("constant"),
        # Uses an attribute of the changed resource; the attribute does not change.
        "Dependent": parameter({"Fn::Sub": "${Changing}"}),
    },
}


def test_events_name_only_changed_resources(stacks: StackDriver) -> None:
    stack = stacks.create(TEMPLATE, Word="one")
    before = len(stacks.events(stack))

    assert stacks.update(stack, TEMPLATE, Word="two").status == "UPDATE_COMPLETE"

    events = [
        (event.logical_id, event.status)
        for event in stacks.events(stack)[before:]
        if event.logical_id != stack.name
    ]
    assert events == [("Changing", "UPDATE_IN_PROGRESS"), ("Changing", "UPDATE_COMPLETE")]


def test_update_does_not_touch_unchanged_resources(
    stacks: StackDriver,
) -> None:
    stack = stacks.create(TEMPLATE, Word="one")
    name = stacks.physical_id(stack, "Constant")
    ssm = stacks.aws.client("ssm")
    ssm.put_parameter(Name=name, Value="by hand", Overwrite=True)

    stacks.update(stack, TEMPLATE, Word="two")

    assert ssm.get_parameter(Name=name)["Parameter"]["Value"] == "by hand"
    changed = stacks.physical_id(stack, "Changing")
    assert ssm.get_parameter(Name=changed)["Parameter"]["Value"] == "two"
