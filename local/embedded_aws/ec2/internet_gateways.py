"""What needs an internet gateway is refused until one is attached to the VPC.

No reference leads from a route, a NAT gateway or a load balancer to the attachment, so the template
needs a DependsOn, and a deployment without it fails now and then. ministack 1.5.33 never refuses.
"""

from collections.abc import Mapping
from typing import Any

from ministack.services import ec2

from embedded_aws.cloudformation.engine import Created, Properties, handlers_of
from embedded_aws.settings import Settings


class NoInternetGatewayError(ValueError):
    """The VPC has no internet gateway, or not this one."""


def install(settings: Settings) -> None:
    _check_creations("AWS::EC2::Route", _check_route)
    _check_creations("AWS::EC2::NatGateway", _check_nat_gateway)
    _check_creations("AWS::ElasticLoadBalancingV2::LoadBalancer", _check_load_balancer)


def _check_creations(resource_type: str, check: Any) -> None:
    handlers = handlers_of(resource_type)
    create_resource = handlers["create"]

    def create(logical_id: str, properties: Properties, stack_name: str) -> Created:
        check(properties)
        created: Created = create_resource(logical_id, properties, stack_name)
        return created

    handlers["create"] = create


def attached_gateways(vpc_id: str) -> set[str]:
    return {
        str(gateway["InternetGatewayId"])
        for gateway in list(ec2._internet_gateways.values())
        if any(attachment["VpcId"] == vpc_id for attachment in gateway.get("Attachments", []))
    }


def _check_route(properties: Properties) -> None:
    gateway = str(properties.get("GatewayId", ""))
    table = ec2._route_tables.get(properties.get("RouteTableId"))
    if not gateway.startswith("igw-") or table is None:
        return
    if gateway not in attached_gateways(table["VpcId"]):
        raise NoInternetGatewayError(
            f"route table {properties['RouteTableId']} and network gateway {gateway} belong to "
            "different networks (InvalidParameterValue)"
        )


def _check_nat_gateway(properties: Properties) -> None:
    subnet = _subnet(properties.get("SubnetId"))
    if properties.get("ConnectivityType", "public") != "public" or subnet is None:
        return
    if not attached_gateways(subnet["VpcId"]):
        raise NoInternetGatewayError(
            f"Network {subnet['VpcId']} has no Internet gateway attached (Gateway.NotAttached)"
        )


def _check_load_balancer(properties: Properties) -> None:
    if properties.get("Scheme", "internet-facing") != "internet-facing":
        return
    for subnet_id in properties.get("Subnets") or []:
        subnet = _subnet(subnet_id)
        if subnet is not None and not attached_gateways(subnet["VpcId"]):
            raise NoInternetGatewayError(
                f"VPC {subnet['VpcId']} has no internet gateway (InvalidSubnet)"
            )


def _subnet(subnet_id: Any) -> Mapping[str, Any] | None:
    subnet: Mapping[str, Any] | None = ec2._subnets.get(subnet_id)
    return subnet
