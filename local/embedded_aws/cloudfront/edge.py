"""What a distribution does with a viewer's request.

ministack applies the distribution's behaviors and policies and adds what CloudFront adds. It finds
a load balancer by its name only, and reads an answer to its end before it sends the first byte.
Here an origin may be a VPC origin, which leads to the load balancer of its ARN, and answers are
streamed.
"""

import asyncio
from dataclasses import dataclass
from typing import Any

from ministack.services import alb, cloudfront, ec2

from embedded_aws.http_request import Request, Response
from embedded_aws.load_balancing import listener
from embedded_aws.settings import Settings

PREFIX_LIST_NAME = "com.amazonaws.global.cloudfront.origin-facing"
_SERVICE_GROUP_NAME = "CloudFront-VPCOrigins-Service-SG"
_DEFAULT_READ_TIMEOUT_SECONDS = 30
# The network interface by which CloudFront enters the VPC, as the load balancer sees it.
_INTERFACE_ADDRESS = "127.0.0.2"


@dataclass(frozen=True)
class Distribution:
    record: dict[str, Any]
    created: float


# By distribution id; ministack keeps no time of creation.
_created: dict[str, float] = {}


def install(settings: Settings) -> None:
    read_origin = cloudfront._dataplane_origin
    fetch = cloudfront._fetch_from_origin

    def read_origin_with_vpc(element: Any) -> dict[str, Any]:
        origin: dict[str, Any] = read_origin(element)
        config = cloudfront._find(element, "VpcOriginConfig")
        if config is not None:
            origin["vpc_origin_id"] = cloudfront._text(config, "VpcOriginId")
            timeout = cloudfront._text(config, "OriginReadTimeout")
            origin["read_timeout"] = int(timeout or _DEFAULT_READ_TIMEOUT_SECONDS)
        return origin

    async def fetch_from_vpc_too(
        origin: dict[str, Any],
        method: str,
        uri: str,
        query: str,
        headers: dict[str, Any],
        body: bytes,
        viewer_is_https: bool,
        client: str,
        viewer_forwarded_for: str,
        distribution_arn: str,
    ) -> Any:
        if "vpc_origin_id" not in origin:
            return await fetch(
                origin, method, uri, query, headers, body, viewer_is_https, client,
                viewer_forwarded_for, distribution_arn,
            )  # fmt: skip
        sent = cloudfront._origin_request_headers(origin, headers, client, viewer_forwarded_for)
        raw_path = (origin.get("origin_path") or "") + uri
        request = Request(
            method=method,
            path=cloudfront.unquote(raw_path),
            raw_path=raw_path,
            query=query,
            headers={name.lower(): value for name, value in sent.items()},
            body=body,
            client=_INTERFACE_ADDRESS,
        )
        return await _fetch(origin, request, viewer_is_https)

    cloudfront._dataplane_origin = read_origin_with_vpc
    cloudfront._fetch_from_origin = fetch_from_vpc_too


def remember(distribution_id: str, created: float) -> None:
    _created.setdefault(distribution_id, created)


def newest() -> Distribution | None:
    """The newest enabled distribution: the HTTPS port belongs to it."""
    found = [
        Distribution(record, _created.get(record["Id"], 0))
        for record in list(cloudfront._distributions.values())
        if record["enabled"]
    ]
    return max(found, key=lambda distribution: distribution.created, default=None)


def distribution_of(balancer_arn: str) -> dict[str, Any] | None:
    """The distribution whose origin is this load balancer."""
    origins = {
        origin["Id"]
        for origin in list(cloudfront._vpc_origins.values())
        if origin["VpcOriginEndpointConfig"]["Arn"] == balancer_arn
    }
    for record in list(cloudfront._distributions.values()):
        if origins & cloudfront._vpc_origin_ids_in(record):
            found: dict[str, Any] = record
            return found
    return None


async def answer_viewer(distribution: Distribution, request: Request) -> Response:
    response: Response = await cloudfront.handle_viewer_request(
        distribution.record,
        request.method,
        request.path,
        request.raw_path or request.path,
        request.query,
        {**request.headers, "x-forwarded-proto": "https"},
        request.body,
        request.query_parameters,
        client_ip=request.client,
    )
    return response


async def _fetch(origin: dict[str, Any], request: Request, viewer_is_https: bool) -> Any:
    """Status, reason, headers and body of the load balancer behind a VPC origin."""
    record = cloudfront._vpc_origins.get(origin["vpc_origin_id"])
    if record is None:
        raise cloudfront.OriginUnreachable(f"there is no VPC origin {origin['vpc_origin_id']}")
    config = record["VpcOriginEndpointConfig"]
    policy = config["OriginProtocolPolicy"]
    secure = policy == "https-only" or (policy == "match-viewer" and viewer_is_https)
    protocol = listener.HTTPS if secure else listener.HTTP
    port = int(config["HTTPSPort"] if secure else config["HTTPPort"])
    balancer = listener.balancer_with(config["Arn"])
    if balancer is None or not _listens(config["Arn"], protocol, port):
        raise cloudfront.OriginUnreachable(f"no {protocol} listener on port {port}")
    if not _admits_cloudfront(config["Arn"], port):
        raise cloudfront.OriginTimeout(
            f"no security group of the load balancer admits {PREFIX_LIST_NAME} on port {port}"
        )
    try:
        status, headers, body = await asyncio.wait_for(
            balancer.answer(request, protocol, port=port), origin["read_timeout"]
        )
    except TimeoutError as error:
        raise cloudfront.OriginTimeout(f"no answer in {origin['read_timeout']} seconds") from error
    pairs = [
        (name, value)
        for name, values in headers.items()
        for value in (values if isinstance(values, list) else [values])
    ]
    return status, "", cloudfront._multidict_from_pairs(pairs), body


def _listens(balancer_arn: str, protocol: str, port: int) -> bool:
    return any(
        (one["LoadBalancerArn"], one["Protocol"], one["Port"]) == (balancer_arn, protocol, port)
        for one in alb._listeners.values()
    )


def _admits_cloudfront(balancer_arn: str, port: int) -> bool:
    """Whether a security group of the load balancer admits CloudFront, as far as rules show.

    A rule for an address block counts: the addresses of CloudFront's interfaces are the VPC's own.
    """
    groups = [
        ec2._security_groups[group_id]
        for group_id in alb._lbs[balancer_arn]["SecurityGroups"]
        if group_id in ec2._security_groups
    ]
    if not groups:
        return True
    prefix_list = ec2._aws_pl_id_from_name(PREFIX_LIST_NAME)
    return any(
        _covers(rule, port) and _names_cloudfront(rule, prefix_list)
        for group in groups
        for rule in group["IpPermissions"]
    )


def _covers(rule: dict[str, Any], port: int) -> bool:
    if str(rule.get("IpProtocol")) == "-1":
        return True
    return int(rule.get("FromPort", -1)) <= port <= int(rule.get("ToPort", -1))


def _names_cloudfront(rule: dict[str, Any], prefix_list: str) -> bool:
    if rule.get("IpRanges"):
        return True
    if any(one.get("PrefixListId") == prefix_list for one in rule.get("PrefixListIds", [])):
        return True
    return any(
        _is_service_group(pair.get("GroupId", "")) for pair in rule.get("UserIdGroupPairs", [])
    )


def _is_service_group(group_id: str) -> bool:
    group = ec2._security_groups.get(group_id) or {}
    return bool(group.get("GroupName") == _SERVICE_GROUP_NAME)
