"""Contract: VPC attributes, Elastic IPs and NAT gateways of a template."""

from ..conftest import EmbeddedAws
from ..stack_driver import SUBNET, VPC, StackDriver, deploy


def test_vpc_has_the_attribute_cidr_block(stacks: StackDriver) -> None:
    stack = deploy(stacks, {"Vpc": VPC}, Cidr={"Fn::GetAtt": ["Vpc", "CidrBlock"]})

    assert stack.outputs["Cidr"] == "10.7.0.0/16"


def test_nat_gateway_is_in_its_subnet_with_its_address(stacks: StackDriver) -> None:
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
            "Gateway": {"Type": "AWS::EC2::InternetGateway"},
            "Attachment": {
                "Type": "AWS::EC2::VPCGatewayAttachment",
                "Properties": {
                    "VpcId": {"Ref": "Vpc"},
                    "InternetGatewayId": {"Ref": "Gateway"},
                },
            },
            "Nat": {
                "Type": "AWS::EC2::NatGateway",
                "Properties": nat,
                "DependsOn": "Attachment",
            },
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


def test_subnet_is_in_the_zone_of_an_availability_zone_id(stacks: StackDriver) -> None:
    subnet = {**SUBNET, "Properties": {**SUBNET["Properties"], "AvailabilityZoneId": "use1-az2"}}
    stack = deploy(stacks, {"Vpc": VPC, "Subnet": subnet})

    ec2 = stacks.aws.client("ec2")
    subnet_id = stacks.physical_id(stack, "Subnet")
    found = ec2.describe_subnets(SubnetIds=[subnet_id])["Subnets"][0]
    zones = ec2.describe_availability_zones()["AvailabilityZones"]
    names = {zone["ZoneId"]: zone["ZoneName"] for zone in zones}
    assert found["AvailabilityZoneId"] == "use1-az2"
    assert found["AvailabilityZone"] == names["use1-az2"]


def test_subnet_is_refused_in_a_zone_that_the_region_does_not_have(stacks: StackDriver) -> None:
    subnet = {**SUBNET, "Properties": {**SUBNET["Properties"], "AvailabilityZoneId": "use1-az99"}}

    stack = stacks.create({"Resources": {"Vpc": VPC, "Subnet": subnet}})

    assert stack.status == "ROLLBACK_COMPLETE"
    assert "use1-az99" in stacks.failures(stack)["Subnet"]


def test_subnet_has_the_addresses_of_its_block_but_five(embedded_aws: EmbeddedAws) -> None:
    ec2 = embedded_aws.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=block)["Subnet"]["SubnetId"]
        for block in ("10.9.0.0/24", "10.9.1.0/28")
    ]

    found = ec2.describe_subnets(SubnetIds=subnets)["Subnets"]

    free = {each["SubnetId"]: each["AvailableIpAddressCount"] for each in found}
    assert [free[subnet] for subnet in subnets] == [251, 11]
