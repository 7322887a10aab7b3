"""Contract: security group rules as separate resources, and legal descriptions."""

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
def test_separate_rule_is_in_its_group(
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


def test_rule_of_a_prefix_list_is_in_the_group(stacks: StackDriver) -> None:
    rule = {
        "GroupId": {"Fn::GetAtt": ["Group", "GroupId"]},
        "IpProtocol": "tcp",
        "FromPort": 80,
        "ToPort": 80,
        "SourcePrefixListId": "pl-0123",
        "Description": "HTTP from CloudFront",
    }
    resource = {"Type": "AWS::EC2::SecurityGroupIngress", "Properties": rule}
    stack = deploy(stacks, {"Vpc": VPC, "Group": GROUP, "Rule": resource})

    group = stacks.aws.client("ec2").describe_security_groups(
        GroupIds=[stacks.physical_id(stack, "Group")]
    )["SecurityGroups"][0]
    assert group["IpPermissions"][0]["PrefixListIds"] == [
        {"PrefixListId": "pl-0123", "Description": "HTTP from CloudFront"}
    ]


@pytest.mark.parametrize("text", ["the worker's rule", "naïve", "a < b", "x" * 256])
@pytest.mark.parametrize("place", ["group", "inline rule", "rule"])
def test_description_is_refused_as_ec2_refuses_it(
    stacks: StackDriver, text: str, place: str
) -> None:
    legal = "Legal: a-z (A_Z) #1, [x]+=&;{}!$*/@."
    inline = {"IpProtocol": "tcp", "FromPort": 1, "ToPort": 1, "CidrIp": "10.0.0.0/8"}
    resources = {
        "Vpc": VPC,
        "Group": {
            "Type": "AWS::EC2::SecurityGroup",
            "Properties": {
                "GroupDescription": text if place == "group" else legal,
                "VpcId": {"Ref": "Vpc"},
                "SecurityGroupIngress": [
                    {**inline, "Description": text if place == "inline rule" else legal}
                ],
            },
        },
        "Rule": {
            "Type": "AWS::EC2::SecurityGroupIngress",
            "Properties": {
                **inline,
                "FromPort": 2,
                "ToPort": 2,
                "GroupId": {"Fn::GetAtt": ["Group", "GroupId"]},
                "Description": text if place == "rule" else legal,
            },
        },
    }

    stack = stacks.create({"Resources": resources})

    assert stack.status == "ROLLBACK_COMPLETE"
    failures = stacks.failures(stack)
    assert set(failures) == {"Rule" if place == "rule" else "Group"}
    reason = next(iter(failures.values()))
    assert "Description " in reason and "(EC2: CreateSecurityGroup, IpRange)" in reason
    assert "InvalidParameterValue" in reason
