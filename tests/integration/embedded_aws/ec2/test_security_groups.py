"""Contract: rules of a security group that are resources of their own."""

from typing import Any

import pytest

from ..stack_driver import VPC, StackDriver, deploy

GROUP = {
    "Type": "AWS::EC2::SecurityGroup",
    "Properties": {"GroupDescription": "contract test", "VpcId": {"Ref": "Vpc"}},
}


@pytest.mark.parametrize(
    ("direction", "peer", "permissions"),
    [
        ("Ingress", "SourceSecurityGroupId", "IpPermissions"),
        ("Egress", "DestinationSecurityGroupId", "IpPermissionsEgress"),
    ],
)
def test_rule_is_in_the_group_when_declared_apart(
    stacks: StackDriver, direction: str, peer: str, permissions: str
) -> None:
    rule = {
        "GroupId": {"Fn::GetAtt": ["Group", "GroupId"]},
        "IpProtocol": "tcp",
        "FromPort": "8080",
        "ToPort": 8081,
        peer: {"Fn::GetAtt": ["Group", "GroupId"]},
    }
    resources = {
        "Vpc": VPC,
        "Group": GROUP,
        "Rule": {"Type": f"AWS::EC2::SecurityGroup{direction}", "Properties": rule},
    }
    stack = deploy(stacks, resources)

    group_id = stacks.physical_id(stack, "Group")
    assert (8080, 8081, [group_id]) in _rules(stacks, group_id, permissions)

    without_rule = {"Resources": {name: resources[name] for name in ("Vpc", "Group")}}
    assert stacks.update(stack, without_rule).status == "UPDATE_COMPLETE"
    assert (8080, 8081, [group_id]) not in _rules(stacks, group_id, permissions)


def _rules(stacks: StackDriver, group_id: str, permissions: str) -> list[tuple[Any, ...]]:
    group = stacks.aws.client("ec2").describe_security_groups(GroupIds=[group_id])
    return [
        (rule.get("FromPort"), rule.get("ToPort"), [p["GroupId"] for p in rule["UserIdGroupPairs"]])
        for rule in group["SecurityGroups"][0][permissions]
    ]
