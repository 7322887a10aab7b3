"""What must exist before what, and what must be deleted before what."""

import re

import pytest
from dry_deployment import DryStack, deploy
from template_files import NESTED_STACK, all_templates, names, root

_NAMED_FUNCTION = re.compile(r":function:([\w-]+)")


def directly_after(name: str) -> set[str]:
    """The nested stacks of the root for which one waits."""
    stacks = root().of_type(NESTED_STACK)
    return {each for each in stacks if each != name and names(stacks[name], each)}


def after(name: str) -> set[str]:
    found: set[str] = set()
    waiting = directly_after(name)
    while waiting:
        each = waiting.pop()
        found.add(each)
        waiting |= directly_after(each) - found
    return found


def functions(stack: DryStack) -> dict[str, str]:
    """Name of a function → the nested stack that makes it."""
    return {
        str(child.properties(resource)["FunctionName"]): name
        for name, child in stack.children.items()
        for resource, definition in child.resources.items()
        if definition["Type"] == "AWS::Lambda::Function"
        and "FunctionName" in child.properties(resource)
    }


def test_custom_resource_waits_for_the_function_that_it_names() -> None:
    stack = deploy()
    made_by = functions(stack)
    calls = {
        (name, function)
        for name, child in stack.children.items()
        for each in child.everything()
        for resource, definition in each.resources.items()
        if definition["Type"].startswith("Custom::")
        for function in _NAMED_FUNCTION.findall(each.properties(resource)["ServiceToken"])
    }

    assert calls
    assert [
        (name, function)
        for name, function in calls
        if made_by[function] != name and made_by[function] not in after(name)
    ] == []


def test_workers_are_gone_before_what_they_use() -> None:
    # CloudFormation deletes in the opposite order.
    assert {"ServicesStack", "ClusterStack", "NetworkStack", "QueuesStack"} <= after("FleetStack")
    assert {"DatabaseStack", "CommandsStack"} <= after("ServicesStack")


@pytest.mark.parametrize("kind", ["AWS::EC2::Route", "AWS::EC2::EIP"])
def test_internet_gateway_is_attached_before_it_is_used(kind: str) -> None:
    """EC2 refuses a route to a gateway that is not attached, and to detach one that is in use."""
    users = [
        (resource, template)
        for template in all_templates()
        for resource in template.of_type(kind).values()
        if kind == "AWS::EC2::EIP" or "GatewayId" in resource["Properties"]
    ]

    assert users
    for resource, template in users:
        attachments = template.of_type("AWS::EC2::VPCGatewayAttachment")
        assert resource.get("DependsOn") in attachments
