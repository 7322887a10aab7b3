"""Contract: VPC attributes, Elastic IPs and NAT gateways of a template."""

from ..stack_driver import SUBNET, VPC, StackDriver, deploy


def test_vpc_tells_its_cidr_block_when_asked(stacks: StackDriver) -> None:
    stack = deploy(stacks, {"Vpc": VPC}, Cidr={"Fn::GetAtt": ["Vpc", "CidrBlock"]})

    assert stack.outputs["Cidr"] == "10.7.0.0/16"


def test_nat_gateway_stands_in_its_subnet_when_given_an_address(stacks: StackDriver) -> None:
    nat = {
        "SubnetId": {"Ref": "Subnet"},
        "AllocationId": {"Fn::GetAtt": ["Address", "AllocationId"]},
    }
    stack = deploy(
        stacks,
        {
            "Vpc": VPC,
            "Subnet": SUBNET,
            "Address": {"Type": "AWS::EC2::EIP", "Properties": {"Domain": "vpc"}},
            "Nat": {"Type": "AWS::EC2::NatGateway", "Properties": nat},
            "Table": {"Type": "AWS::EC2::RouteTable", "Properties": {"VpcId": {"Ref": "Vpc"}}},
            "Route": {
                "Type": "AWS::EC2::Route",
                "Properties": {
                    "RouteTableId": {"Ref": "Table"},
                    "DestinationCidrBlock": "0.0.0.0/0",
                    "NatGatewayId": {"Ref": "Nat"},
                },
            },
        },
        Address={"Ref": "Address"},
    )

    ec2 = stacks.aws.client("ec2")
    nat_id = stacks.physical_id(stack, "Nat")
    found = ec2.describe_nat_gateways(NatGatewayIds=[nat_id])["NatGateways"][0]
    assert found["SubnetId"] == stacks.physical_id(stack, "Subnet")
    assert stack.outputs["Address"] in [
        a["PublicIp"] for a in ec2.describe_addresses()["Addresses"]
    ]

    assert stacks.delete(stack).status == "DELETE_COMPLETE"
    left = [a["PublicIp"] for a in ec2.describe_addresses()["Addresses"]]
    assert stack.outputs["Address"] not in left
