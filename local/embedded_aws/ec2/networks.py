"""VPC attributes, Elastic IPs and NAT gateways of a template, made through the EC2 API.

ministack 1.5.33 has them in its API but not in CloudFormation. `Fn::GetAtt` of a VPC is completed
where AWS documents more attributes than ministack returns.
"""

import ipaddress
from typing import Any

from ministack.services import ec2

from embedded_aws.cloudformation.engine import (
    Created,
    Properties,
    handlers_of,
    own_client,
    register,
)
from embedded_aws.settings import Settings

_KEPT_BY_AWS = 5


def install(settings: Settings) -> None:
    _complete_vpc_attributes(settings)
    _refuse_unknown_zones()
    _count_addresses()
    _register_elastic_ip(settings)
    _register_nat_gateway(settings)


def _complete_vpc_attributes(settings: Settings) -> None:
    handlers = handlers_of("AWS::EC2::VPC")
    create_vpc, update_vpc = handlers["create"], handlers["update"]

    def complete(created: Created) -> Created:
        vpc_id, attributes = created
        vpc = own_client(settings, "ec2").describe_vpcs(VpcIds=[vpc_id])["Vpcs"][0]
        associations = vpc.get("CidrBlockAssociationSet") or []
        ids = [association["AssociationId"] for association in associations]
        return vpc_id, {
            **attributes,
            "CidrBlock": vpc["CidrBlock"],
            "CidrBlockAssociations": ids,
            "Ipv6CidrBlocks": [],
        }

    def create(logical_id: str, properties: Properties, stack_name: str) -> Created:
        return complete(create_vpc(logical_id, properties, stack_name))

    def update(
        vpc_id: str, old: Properties, new: Properties, stack_name: str, logical_id: str
    ) -> Created:
        return complete(update_vpc(vpc_id, old, new, stack_name, logical_id))

    handlers.update(create=create, update=update, update_with_logical_id=True)


def _refuse_unknown_zones() -> None:
    """A subnet of an unknown zone; ministack 1.5.33 would put it into the region's first zone."""
    handlers = handlers_of("AWS::EC2::Subnet")
    create_subnet = handlers["create"]

    def create(logical_id: str, properties: Properties, stack_name: str) -> Created:
        zone_id = properties.get("AvailabilityZoneId")
        if zone_id and not ec2._zone_name_for_az_id(zone_id):
            raise ValueError(
                f"Value ({zone_id}) for parameter availabilityZoneId is invalid: the region has no "
                "such zone (InvalidParameterValue)"
            )
        created: Created = create_subnet(logical_id, properties, stack_name)
        return created

    handlers["create"] = create


def _count_addresses() -> None:
    """Of a subnet: those of its block without the five that AWS keeps; ministack says 251.

    Tasks of this machine take none.
    """
    describe = ec2._ACTION_MAP["DescribeSubnets"]

    def describe_subnets(parameters: Any) -> Any:
        for subnet in ec2._subnets.values():
            addresses = ipaddress.ip_network(subnet["CidrBlock"], strict=False).num_addresses
            subnet["AvailableIpAddressCount"] = addresses - _KEPT_BY_AWS
        return describe(parameters)

    ec2._ACTION_MAP["DescribeSubnets"] = describe_subnets


def _register_elastic_ip(settings: Settings) -> None:
    """`Ref` is the address; there is no network behind it."""

    def create(logical_id: str, properties: Properties, stack_name: str) -> Created:
        address = own_client(settings, "ec2").allocate_address(Domain="vpc")
        attributes = {name: address[name] for name in ("AllocationId", "PublicIp")}
        return address["PublicIp"], attributes

    def update(
        address: str, old: Properties, new: Properties, stack_name: str, logical_id: str
    ) -> Created:
        allocation = _allocation_id(settings, address)
        return address, {"AllocationId": allocation, "PublicIp": address}

    def delete(address: str, properties: Properties) -> None:
        allocation = _allocation_id(settings, address)
        own_client(settings, "ec2").release_address(AllocationId=allocation)

    register("AWS::EC2::EIP", create, delete, update)


def _allocation_id(settings: Settings, address: str) -> str:
    found = own_client(settings, "ec2").describe_addresses()["Addresses"]
    return next(str(one["AllocationId"]) for one in found if one["PublicIp"] == address)


def _register_nat_gateway(settings: Settings) -> None:
    """A gateway that routes can name and the API describes; no traffic passes through it."""

    def create(logical_id: str, properties: Properties, stack_name: str) -> Created:
        known = ("SubnetId", "AllocationId", "ConnectivityType")
        request = {name: properties[name] for name in known if name in properties}
        gateway = own_client(settings, "ec2").create_nat_gateway(**request)["NatGateway"]
        return gateway["NatGatewayId"], {"NatGatewayId": gateway["NatGatewayId"]}

    def delete(gateway_id: str, properties: Properties) -> None:
        own_client(settings, "ec2").delete_nat_gateway(NatGatewayId=gateway_id)

    register("AWS::EC2::NatGateway", create, delete)
