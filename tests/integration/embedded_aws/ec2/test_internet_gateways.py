"""What needs an internet gateway fails until one is attached, so that a missing DependsOn shows."""

from typing import Any

import pytest

from ..stack_driver import SUBNET, VPC, StackDriver

NETWORK: dict[str, Any] = {
    "Vpc": VPC,
    "Subnet": SUBNET,
    "Table": {"Type": "AWS::EC2::RouteTable", "Properties": {"VpcId": {"Ref": "Vpc"}}},
    "Gateway": {"Type": "AWS::EC2::InternetGateway"},
    "Address": {"Type": "AWS::EC2::EIP", "Properties": {"Domain": "vpc"}},
}
ATTACHMENT = {
    "Type": "AWS::EC2::VPCGatewayAttachment",
    "Properties": {"VpcId": {"Ref": "Vpc"}, "InternetGatewayId": {"Ref": "Gateway"}},
}
NEEDING: dict[str, dict[str, Any]] = {
    "belong to different networks": {
        "Type": "AWS::EC2::Route",
        "Properties": {
            "RouteTableId": {"Ref": "Table"},
            "DestinationCidrBlock": "0.0.0.0/0",
            "GatewayId": {"Ref": "Gateway"},
        },
    },
    "has no Internet gateway attached": {
        "Type": "AWS::EC2::NatGateway",
        "Properties": {
            "SubnetId": {"Ref": "Subnet"},
            "AllocationId": {"Fn::GetAtt": ["Address", "AllocationId"]},
        },
    },
    "has no internet gateway (InvalidSubnet)": {
        "Type": "AWS::ElasticLoadBalancingV2::LoadBalancer",
        "Properties": {"Subnets": [{"Ref": "Subnet"}], "Scheme": "internet-facing"},
    },
}


@pytest.mark.parametrize("reason", NEEDING)
def test_resource_fails_before_the_gateway_is_attached(stacks: StackDriver, reason: str) -> None:
    attached_last = {**ATTACHMENT, "DependsOn": "Needing"}
    stack = stacks.create(
        {"Resources": {**NETWORK, "Needing": NEEDING[reason], "Attachment": attached_last}}
    )

    assert stack.status == "ROLLBACK_COMPLETE"
    assert reason in stacks.failures(stack)["Needing"]


@pytest.mark.parametrize("reason", NEEDING)
def test_resource_is_created_after_the_gateway_is_attached(
    stacks: StackDriver, reason: str
) -> None:
    needing = {**NEEDING[reason], "DependsOn": "Attachment"}
    stack = stacks.create({"Resources": {**NETWORK, "Attachment": ATTACHMENT, "Needing": needing}})

    assert stack.status == "CREATE_COMPLETE", stacks.failures(stack)
    assert stacks.delete(stack).status == "DELETE_COMPLETE"
