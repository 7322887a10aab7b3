"""EC2, Elastic Load Balancing, CloudFront, Route 53, Cloud Map."""

from collections.abc import Iterator, Mapping
from ipaddress import ip_network
from typing import Any, Final

from embedded_aws.limits.resources import Resource, UnknownValue
from embedded_aws.limits.rules import Choice, Number, Rule, Text, Unlimited

EC2_ID: Final = Text("EC2: ids of resources", r"[a-z]+-[0-9a-z]+")
PORT: Final = Number("EC2: a port, or -1 for all", least=-1, most=65535)
CIDR: Final = Text("EC2: an IPv4 range", r"\d{1,3}(\.\d{1,3}){3}/\d{1,2}")
ARN: Final = Text("ARNs", r"arn:aws[a-z-]*:[a-z0-9-]+:[a-z0-9-]*:(\d{12}|[a-z-]*):.+", most=2048)
# The API reference of EC2 has this set; its model has no pattern.
EC2_DESCRIPTION: Final = Text(
    "EC2: CreateSecurityGroup, IpRange", r"[a-zA-Z0-9 ._\-:/()#,@\[\]+=&;{}!$*]*", least=0, most=255
)
GROUP_NAME: Final = Text(
    "EC2: CreateSecurityGroup", r"(?!sg-)[a-zA-Z0-9 ._\-:/()#,@\[\]+=&;{}!$*]*", most=255
)
DOMAIN_NAME: Final = Text(
    "RFC 1035: labels of at most 63 characters",
    r"(\*\.)?([A-Za-z0-9_]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)*[A-Za-z0-9]([A-Za-z0-9-]{0,61}"
    r"[A-Za-z0-9])?\.?",
    most=253,
)
# The names that the embedded AWS gives have a port.
GIVEN_NAME: Final = Text("a name that AWS gives", r"[A-Za-z0-9.-]+(:\d{1,5})?", most=253)
BALANCER_NAME: Final = Text(
    "Elastic Load Balancing: CreateLoadBalancer, CreateTargetGroup",
    r"(?!internal-)[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?",
    most=32,
)
_BALANCER_ATTRIBUTES: Final[Mapping[str, Rule]] = {
    "idle_timeout.timeout_seconds": Number("LoadBalancerAttribute", 1, 4000),
    "client_keep_alive.seconds": Number("LoadBalancerAttribute", 60, 604800),
    "deregistration_delay.timeout_seconds": Number("TargetGroupAttribute", 0, 3600),
    "access_logs.s3.bucket": Text("S3: bucket naming rules", r"[a-z0-9.-]+", least=3, most=63),
    # AWSLogs is the folder that Elastic Load Balancing adds.
    "access_logs.s3.prefix": Text("LoadBalancerAttribute", r"(?!.*AWSLogs)[^/].*[^/]", most=1024),
    "slow_start.duration_seconds": Number("TargetGroupAttribute", 0, 900),
}
_SWITCH: Final = Choice("attributes of load balancers", ("true", "false"))
_SWITCHES: Final = (
    "deletion_protection.enabled",
    "routing.http.drop_invalid_header_fields.enabled",
    "stickiness.enabled",
    "access_logs.s3.enabled",
)


def _vpc(properties: Mapping[str, Any]) -> Iterator[str]:
    cidr = properties.get("CidrBlock", "")
    if isinstance(cidr, UnknownValue) or list(CIDR.problems(cidr)):
        return
    try:
        length = ip_network(cidr, strict=False).prefixlen
    except ValueError as error:
        yield f"CidrBlock is {cidr}: {error} (EC2: CreateVpc, CreateSubnet)"
        return
    if not 16 <= length <= 28:
        yield f"CidrBlock is {cidr}, allowed are /16 to /28 (EC2: CreateVpc, CreateSubnet)"


def _rules_once(properties: Mapping[str, Any]) -> Iterator[str]:
    """The same rule twice in a group is InvalidPermission.Duplicate, whatever its description."""
    for direction in ("SecurityGroupIngress", "SecurityGroupEgress"):
        rules = [
            sorted((name, str(value)) for name, value in rule.items() if name != "Description")
            for rule in properties.get(direction) or []
        ]
        if any(rules.count(rule) > 1 for rule in rules):
            yield f"{direction} has the same rule twice (EC2: InvalidPermission.Duplicate)"


def _attributes(properties: Mapping[str, Any]) -> Iterator[str]:
    for name in ("LoadBalancerAttributes", "TargetGroupAttributes"):
        for attribute in properties.get(name) or []:
            key, value = attribute["Key"], attribute["Value"]
            rule = _SWITCH if key in _SWITCHES else _BALANCER_ATTRIBUTES.get(key)
            if rule is None:
                yield f"{name} has {key}, which has no entry in the table of limits"
                continue
            if isinstance(value, UnknownValue):
                continue
            for problem in rule.problems(value):
                yield f"{name} {key} {problem}"


def _health_check(properties: Mapping[str, Any]) -> Iterator[str]:
    interval = int(properties.get("HealthCheckIntervalSeconds", 30))
    if int(properties.get("HealthCheckTimeoutSeconds", 5)) >= interval:
        yield "HealthCheckTimeoutSeconds is not below the interval (CreateTargetGroup)"


def _rule_values(properties: Mapping[str, Any]) -> Iterator[str]:
    values = [
        value
        for condition in properties.get("Conditions") or []
        for name, config in condition.items()
        if name.endswith("Config")
        for value in config.get("Values", [])
    ]
    if len(values) > 5:
        yield f"Conditions have {len(values)} values, allowed are 5 (Elastic Load Balancing quotas)"


def _distribution(properties: Mapping[str, Any]) -> Iterator[str]:
    config = properties.get("DistributionConfig") or {}
    origins = {origin.get("Id") for origin in config.get("Origins") or []}
    target = (config.get("DefaultCacheBehavior") or {}).get("TargetOriginId")
    if target not in origins:
        yield f"DefaultCacheBehavior names origin {target!r}, which is not one of the origins"


_RULE: Final[Mapping[str, Rule]] = {
    "Description": EC2_DESCRIPTION,
    "GroupId": EC2_ID,
    "SourceSecurityGroupId": EC2_ID,
    "DestinationSecurityGroupId": EC2_ID,
    "SourcePrefixListId": EC2_ID,
    "DestinationPrefixListId": EC2_ID,
    "CidrIp": CIDR,
    "CidrIpv6": Text("EC2: an IPv6 range", r"[0-9a-fA-F:]+/\d{1,3}"),
    "IpProtocol": Text("EC2: IpPermission", r"tcp|udp|icmp|icmpv6|-1|\d{1,3}"),
    "FromPort": PORT,
    "ToPort": PORT,
}

LIMITS: Final = {
    "AWS::EC2::EIP": Resource(rules={"Domain": Choice("EC2: AllocateAddress", ("vpc",))}),
    "AWS::EC2::InternetGateway": Resource(),
    "AWS::EC2::NatGateway": Resource(
        rules={
            "AllocationId": EC2_ID,
            "SubnetId": EC2_ID,
            "ConnectivityType": Choice("EC2: CreateNatGateway", ("public", "private")),
        }
    ),
    "AWS::EC2::Route": Resource(
        rules={
            "RouteTableId": EC2_ID,
            "DestinationCidrBlock": CIDR,
            "GatewayId": EC2_ID,
            "NatGatewayId": EC2_ID,
        }
    ),
    "AWS::EC2::RouteTable": Resource(rules={"VpcId": EC2_ID}),
    "AWS::EC2::SecurityGroup": Resource(
        rules={
            "GroupName": GROUP_NAME,
            "GroupDescription": EC2_DESCRIPTION,
            "VpcId": EC2_ID,
            **{f"SecurityGroupIngress[].{name}": rule for name, rule in _RULE.items()},
            **{f"SecurityGroupEgress[].{name}": rule for name, rule in _RULE.items()},
        },
        checks=(_rules_once,),
    ),
    "AWS::EC2::SecurityGroupIngress": Resource(rules=_RULE),
    "AWS::EC2::SecurityGroupEgress": Resource(rules=_RULE),
    "AWS::EC2::Subnet": Resource(
        rules={
            "VpcId": EC2_ID,
            "AvailabilityZone": Text("EC2: zones", r"[a-z]{2}(-[a-z]+)+-\d[a-z]"),
            "AvailabilityZoneId": Text("EC2: ids of zones", r"[a-z0-9]+-az\d"),
            "CidrBlock": CIDR,
        },
        checks=(_vpc,),
    ),
    "AWS::EC2::SubnetRouteTableAssociation": Resource(
        rules={"SubnetId": EC2_ID, "RouteTableId": EC2_ID}
    ),
    "AWS::EC2::VPC": Resource(rules={"CidrBlock": CIDR}, checks=(_vpc,)),
    "AWS::EC2::VPCEndpoint": Resource(
        rules={
            "VpcId": EC2_ID,
            "ServiceName": Text("EC2: CreateVpcEndpoint", r"(com|cn)\.[a-z0-9.-]+"),
            "VpcEndpointType": Choice("EC2: VpcEndpointType", ("Gateway", "Interface")),
            "RouteTableIds[]": EC2_ID,
            "SubnetIds[]": EC2_ID,
            "SecurityGroupIds[]": EC2_ID,
        }
    ),
    "AWS::EC2::VPCGatewayAttachment": Resource(
        rules={"VpcId": EC2_ID, "InternetGatewayId": EC2_ID}
    ),
    "AWS::ElasticLoadBalancingV2::Listener": Resource(
        "elbv2:CreateListener",
        rules={
            "LoadBalancerArn": ARN,
            "SslPolicy": Text(
                "Elastic Load Balancing: CreateListener", r"ELBSecurityPolicy-[\w-]+"
            ),
            "Certificates[].CertificateArn": ARN,
            "DefaultActions[].TargetGroupArn": ARN,
            "DefaultActions[].RedirectConfig.Port": Text(
                "Elastic Load Balancing: RedirectActionConfig", r"\d{1,5}|#\{port\}"
            ),
        },
    ),
    "AWS::ElasticLoadBalancingV2::ListenerRule": Resource(
        "elbv2:CreateRule",
        rules={
            "ListenerArn": ARN,
            "Conditions[].Field": Choice(
                "Elastic Load Balancing: RuleCondition",
                (
                    "http-header",
                    "http-request-method",
                    "host-header",
                    "path-pattern",
                    "query-string",
                    "source-ip",
                ),
            ),
            # Without the characters that the API reference does not name.
            "Conditions[].PathPatternConfig.Values[]": Text(
                "Elastic Load Balancing: PathPatternConditionConfig",
                r"""[A-Za-z0-9_\-.$/~"'@:+&*?]+""",
                most=128,
            ),
            "Actions[].TargetGroupArn": ARN,
        },
        checks=(_rule_values,),
    ),
    "AWS::ElasticLoadBalancingV2::LoadBalancer": Resource(
        "elbv2:CreateLoadBalancer",
        rules={
            "Name": BALANCER_NAME,
            "Subnets[]": EC2_ID,
            "SecurityGroups[]": EC2_ID,
            "LoadBalancerAttributes": Unlimited("looked at by the check of attributes"),
        },
        checks=(_attributes,),
    ),
    "AWS::ElasticLoadBalancingV2::TargetGroup": Resource(
        "elbv2:CreateTargetGroup",
        rules={
            "Name": BALANCER_NAME,
            "VpcId": EC2_ID,
            "HealthCheckPath": Text(
                "Elastic Load Balancing: CreateTargetGroup", r"/[ -~]*", most=1024
            ),
            "HealthCheckPort": Text("CreateTargetGroup", r"traffic-port|\d{1,5}"),
            "Matcher.HttpCode": Text("Elastic Load Balancing: Matcher", r"\d{3}([-,]\d{3})*"),
            "TargetGroupAttributes": Unlimited("looked at by the check of attributes"),
        },
        checks=(_attributes, _health_check),
    ),
    "AWS::CloudFront::Distribution": Resource(
        "cloudfront:CreateDistribution",
        rules={
            "DistributionConfig.Comment": Text("CloudFront: DistributionConfig", least=0, most=128),
            "DistributionConfig.Aliases[]": DOMAIN_NAME,
            "DistributionConfig.Logging.Bucket": Text(
                "CloudFront: LoggingConfig", r"[a-z0-9.-]+\.s3[a-z0-9.-]*\.amazonaws\.com(\.cn)?"
            ),
            "DistributionConfig.Logging.Prefix": Text(
                "CloudFront: LoggingConfig", r"[^/].*", most=256
            ),
            "DistributionConfig.Origins[].Id": Text("CloudFront: Origin", most=128),
            "DistributionConfig.Origins[].DomainName": GIVEN_NAME,
            "DistributionConfig.Origins[].VpcOriginConfig.VpcOriginId": Text(
                "CloudFront: ids", r"vo_[A-Za-z0-9]+"
            ),
            "DistributionConfig.Origins[].VpcOriginConfig.OriginReadTimeout": Number(
                "CloudFront: VpcOriginConfig", 1, 120
            ),
            "DistributionConfig.Origins[].VpcOriginConfig.OriginKeepaliveTimeout": Number(
                "CloudFront: VpcOriginConfig", 1, 120
            ),
            "DistributionConfig.DefaultCacheBehavior.TargetOriginId": Text(
                "CloudFront: Origin", most=128
            ),
            "DistributionConfig.DefaultCacheBehavior.CachePolicyId": Text(
                "CloudFront: ids of managed policies", r"[0-9a-f-]{36}"
            ),
            "DistributionConfig.DefaultCacheBehavior.OriginRequestPolicyId": Text(
                "CloudFront: ids of managed policies", r"[0-9a-f-]{36}"
            ),
            "DistributionConfig.ViewerCertificate.AcmCertificateArn": ARN,
        },
        # CloudFormation spells it in capitals.
        members={
            "DistributionConfig.ViewerCertificate.SslSupportMethod": (
                "cloudfront:CreateDistribution:DistributionConfig.ViewerCertificate.SSLSupportMethod"
            )
        },
        checks=(_distribution,),
    ),
    "AWS::CloudFront::VpcOrigin": Resource(
        "cloudfront:CreateVpcOrigin",
        rules={
            "VpcOriginEndpointConfig.Name": Text(
                "CloudFront: as the console restricts it", r"[A-Za-z0-9_-]+", most=64
            ),
            "VpcOriginEndpointConfig.Arn": ARN,
            "VpcOriginEndpointConfig.HTTPPort": Number(
                "CloudFront: VpcOriginEndpointConfig", 1, 65535
            ),
            "VpcOriginEndpointConfig.HTTPSPort": Number(
                "CloudFront: VpcOriginEndpointConfig", 1, 65535
            ),
        },
    ),
    "AWS::CertificateManager::Certificate": Resource(
        "acm:RequestCertificate",
        rules={
            "DomainValidationOptions[].HostedZoneId": Text("Route 53: ids", r"[A-Z0-9]+", most=32)
        },
    ),
    "AWS::Route53::RecordSet": Resource(
        "route53:ChangeResourceRecordSets",
        members={
            name: f"route53:ChangeResourceRecordSets:ChangeBatch.Changes[].ResourceRecordSet.{name}"
            for name in ("Type", "TTL", "AliasTarget", "ResourceRecords")
        },
        rules={
            "Name": DOMAIN_NAME,
            "HostedZoneId": Text("Route 53: ids", r"[A-Z0-9]+", most=32),
            "HostedZoneName": DOMAIN_NAME,
            "AliasTarget.DNSName": GIVEN_NAME,
            "AliasTarget.HostedZoneId": Text("Route 53: ids", r"[A-Z0-9]+", most=32),
            "ResourceRecords[]": Text("Route 53: ResourceRecord", most=4000),
            "Comment": Text("Route 53: ChangeBatch", least=0, most=256),
        },
    ),
    "AWS::ServiceDiscovery::PrivateDnsNamespace": Resource(
        "servicediscovery:CreatePrivateDnsNamespace",
        rules={"Name": DOMAIN_NAME, "Vpc": EC2_ID},
    ),
    "AWS::ServiceDiscovery::Service": Resource("servicediscovery:CreateService"),
}
