"""AWS::CloudFront::VpcOrigin, which ministack 1.5.33 has in its API only."""

from typing import Any

from ministack.services import alb, ec2

from embedded_aws.cloudformation.engine import (
    Created,
    Properties,
    own_client,
    register,
)
from embedded_aws.settings import Settings

_ATTRIBUTES = ("Id", "Arn", "Status", "CreatedTime", "LastModifiedTime")


class VpcOriginError(ValueError):
    """CloudFront would refuse the origin."""


def install(settings: Settings) -> None:
    def create(logical_id: str, properties: Properties, stack_name: str) -> Created:
        config = _endpoint_config(properties)
        _refuse_a_network_without_internet_gateway(config["Arn"])
        answer = own_client(settings, "cloudfront").create_vpc_origin(
            VpcOriginEndpointConfig=config
        )
        return _created(answer["VpcOrigin"])

    def update(
        origin_id: str, old: Properties, new: Properties, stack_name: str, logical_id: str
    ) -> Created:
        client = own_client(settings, "cloudfront")
        etag = client.get_vpc_origin(Id=origin_id)["ETag"]
        # CloudFront refuses a change while a distribution uses the origin, and so does ministack.
        answer = client.update_vpc_origin(
            Id=origin_id, IfMatch=etag, VpcOriginEndpointConfig=_endpoint_config(new)
        )
        return _created(answer["VpcOrigin"])

    def delete(origin_id: str, properties: Properties) -> None:
        client = own_client(settings, "cloudfront")
        try:
            etag = client.get_vpc_origin(Id=origin_id)["ETag"]
        except client.exceptions.EntityNotFound:
            return
        client.delete_vpc_origin(Id=origin_id, IfMatch=etag)

    register("AWS::CloudFront::VpcOrigin", create, delete, update)


def _created(origin: dict[str, Any]) -> Created:
    return origin["Id"], {name: str(origin[name]) for name in _ATTRIBUTES}


def _endpoint_config(properties: Properties) -> dict[str, Any]:
    given = properties["VpcOriginEndpointConfig"]
    config = {
        "Name": given["Name"],
        "Arn": given["Arn"],
        "HTTPPort": int(given.get("HTTPPort", 80)),
        "HTTPSPort": int(given.get("HTTPSPort", 443)),
        "OriginProtocolPolicy": given.get("OriginProtocolPolicy", "match-viewer"),
    }
    protocols = given.get("OriginSSLProtocols")
    if protocols:
        config["OriginSslProtocols"] = {"Quantity": len(protocols), "Items": list(protocols)}
    return config


def _refuse_a_network_without_internet_gateway(balancer_arn: str) -> None:
    balancer = alb._lbs.get(balancer_arn)
    if balancer is None:
        return  # CreateVpcOrigin has a sentence for it
    networks = {
        ec2._subnets[subnet]["VpcId"] for subnet in balancer["Subnets"] if subnet in ec2._subnets
    }
    attached = {
        attachment["VpcId"]
        for gateway in ec2._internet_gateways.values()
        for attachment in gateway.get("Attachments", [])
    }
    without = sorted(networks - attached)
    if without:
        raise VpcOriginError(
            f"{without[0]} has no internet gateway: CloudFront needs one to use a load balancer of "
            "the VPC as an origin, although no traffic passes through it"
        )
