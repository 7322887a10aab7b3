"""Who can reach whom: subnets, routes, security groups, ports and health checks."""

from typing import Any
from urllib.parse import urlsplit

import pytest
from dry_deployment import DryStack, deploy

from airflow_on_fargate.health import _api_server_url

NAT_PER_ZONE = {"NetworkMode": "nat-per-zone"}
CIDR = "203.0.113.0/24"
HTTPS = {
    "IngressMode": "load-balancer",
    "IngressCidr": CIDR,
    "DomainName": "airflow.example.com",
    "HostedZoneId": "Z0123456789",
}
EVERYWHERE = "0.0.0.0/0"


def network(**parameters: str) -> DryStack:
    return deploy(**parameters).child("NetworkStack")


def of_type(stack: DryStack, kind: str) -> dict[str, dict[str, Any]]:
    """The properties of a stack's resources of one type, by logical id."""
    return {
        name: stack.properties(name)
        for name, resource in stack.resources.items()
        if resource["Type"] == kind
    }


def named(reference: str) -> str:
    """The logical id of a reference, such as `<airflow/NetworkStack/Vpc>`."""
    return reference.strip("<>").split("/")[-1].split(".")[0]


def way_out(stack: DryStack, subnet: str) -> str | None:
    """The resource to which a subnet sends what is for the internet."""
    associations = of_type(stack, "AWS::EC2::SubnetRouteTableAssociation").values()
    (table,) = (named(a["RouteTableId"]) for a in associations if named(a["SubnetId"]) == subnet)
    routes = [
        named(route.get("NatGatewayId") or route["GatewayId"])
        for route in of_type(stack, "AWS::EC2::Route").values()
        if named(route["RouteTableId"]) == table and route["DestinationCidrBlock"] == EVERYWHERE
    ]
    assert len(routes) <= 1
    return routes[0] if routes else None


@pytest.mark.parametrize(
    ("mode", "private"),
    [
        ("public", {"PrivateSubnetA": None, "PrivateSubnetB": None}),
        ("single-nat", {"PrivateSubnetA": "NatGatewayA", "PrivateSubnetB": "NatGatewayA"}),
        ("nat-per-zone", {"PrivateSubnetA": "NatGatewayA", "PrivateSubnetB": "NatGatewayB"}),
    ],
)
def test_every_subnet_has_the_way_out_of_its_network_mode(
    mode: str, private: dict[str, str | None]
) -> None:
    stack = network(NetworkMode=mode)
    public = dict.fromkeys(("PublicSubnetA", "PublicSubnetB"), "InternetGateway")

    assert {subnet: way_out(stack, subnet) for subnet in public | private} == public | private
    for name, gateway in of_type(stack, "AWS::EC2::NatGateway").items():
        # In the public subnet of its own zone, with an address of its own.
        assert named(gateway["SubnetId"]) == f"PublicSubnet{name[-1]}"
        assert named(gateway["AllocationId"]) == f"NatGatewayAddress{name[-1]}"


def test_subnets_do_not_overlap() -> None:
    subnets = of_type(network(), "AWS::EC2::Subnet")

    assert len({subnet["CidrBlock"] for subnet in subnets.values()}) == len(subnets) == 4


def test_traffic_to_s3_never_passes_a_nat_gateway() -> None:
    stack = network(**NAT_PER_ZONE)
    tables = set(of_type(stack, "AWS::EC2::RouteTable"))

    assert {named(each) for each in stack.properties("S3Endpoint")["RouteTableIds"]} == tables


def test_tasks_find_the_api_server_by_its_private_name() -> None:
    stack = deploy()
    vpc = stack.child("NetworkStack").properties("Vpc")
    record = stack.child("ClusterStack").properties("ApiServerDiscoveryService")["DnsConfig"]
    ((delay,),) = (
        [a["Value"] for a in group["TargetGroupAttributes"] if "deregistration" in a["Key"]]
        for group in [balancer(stack).properties("ApiServerTargetGroup")]
    )

    # Route 53 answers private names only with both.
    assert vpc["EnableDnsSupport"] is True
    assert vpc["EnableDnsHostnames"] is True
    # A replaced api-server answers for so long; then nobody may call its address any more.
    assert [each["Type"] for each in record["DnsRecords"]] == ["A"]
    assert record["DnsRecords"][0]["TTL"] <= int(delay)


def balancer(stack: DryStack) -> DryStack:
    ingress = stack.child("IngressStack")
    (name,) = (each for each in ingress.children if each.endswith("LoadBalancerStack"))
    return ingress.child(name)


def openings(stack: DryStack) -> set[tuple[str, str, int]]:
    """Every allowed connection of a deployment: from, to, port."""
    found = set()
    for each in stack.everything():
        for name, group in of_type(each, "AWS::EC2::SecurityGroup").items():
            for rule in group.get("SecurityGroupIngress", []):
                found |= {_opening({"GroupId": name, **rule})}
        for rule in of_type(each, "AWS::EC2::SecurityGroupIngress").values():
            found |= {_opening(rule)}
    return found


def _opening(rule: dict[str, Any]) -> tuple[str, str, int]:
    assert rule["IpProtocol"] == "tcp"
    assert rule["FromPort"] == rule["ToPort"]
    source = (
        rule.get("CidrIp")
        or named(rule.get("SourceSecurityGroupId") or "")
        or named(rule["SourcePrefixListId"])
    )
    return source, named(rule["GroupId"]), rule["FromPort"]


INSIDE = {
    ("LoadBalancerSecurityGroup", "ApiServerSecurityGroup", 8080),
    # The execution API.
    ("TaskSecurityGroup", "ApiServerSecurityGroup", 8080),
    # Logs of what runs.
    ("ApiServerSecurityGroup", "TaskSecurityGroup", 8793),
    ("ApiServerSecurityGroup", "TriggererSecurityGroup", 8794),
    ("DatabaseClientSecurityGroup", "DatabaseSecurityGroup", 5432),
    # Workers write the results of Celery.
    ("TaskSecurityGroup", "DatabaseSecurityGroup", 5432),
}


@pytest.mark.parametrize(
    ("parameters", "outside"),
    [
        ({}, {("CloudFrontPrefixList", "LoadBalancerSecurityGroup", 80)}),
        (
            HTTPS,
            {
                (CIDR, "LoadBalancerSecurityGroup", 80),
                (CIDR, "LoadBalancerSecurityGroup", 443),
            },
        ),
    ],
    ids=["cloudfront", "load-balancer"],
)
def test_only_the_listed_connections_are_allowed(
    parameters: dict[str, str], outside: set[tuple[str, str, int]]
) -> None:
    assert openings(deploy(**parameters)) == INSIDE | outside


def test_database_is_reached_from_inside_only() -> None:
    stack = deploy(**NAT_PER_ZONE).child("DatabaseStack")
    database = stack.properties("Database")

    assert database["PubliclyAccessible"] is False
    assert [named(each) for each in database["VPCSecurityGroups"]] == ["DatabaseSecurityGroup"]
    subnets = stack.properties("DatabaseSubnetGroup")["SubnetIds"]
    assert [named(each) for each in subnets] == ["PrivateSubnetA", "PrivateSubnetB"]


def test_load_balancer_asks_what_the_container_asks_itself() -> None:
    stack = deploy()
    group = balancer(stack).properties("ApiServerTargetGroup")
    own = urlsplit(_api_server_url({}))
    (container,) = stack.child("ApiServerStack").properties("TaskDefinition")[
        "ContainerDefinitions"
    ]
    service = stack.child("ServicesStack").properties("ApiServerService")

    # A deeper check would replace an api-server because another component is late.
    assert group["HealthCheckPath"] == own.path
    assert group["Matcher"] == {"HttpCode": "200"}
    assert {group["Port"], own.port} == {8080}
    assert [each["ContainerPort"] for each in container["PortMappings"]] == [8080]
    (target,) = service["LoadBalancers"]
    assert (target["ContainerName"], target["ContainerPort"]) == (container["Name"], 8080)
    # A container that is still starting is not stopped.
    assert service["HealthCheckGracePeriodSeconds"] >= container["HealthCheck"]["StartPeriod"] > 0


@pytest.mark.parametrize("environment_class", ["micro", "small"])
def test_every_container_checks_itself(environment_class: str) -> None:
    definitions = [
        definition
        for stack in deploy(EnvironmentClass=environment_class).everything()
        for definition in of_type(stack, "AWS::ECS::TaskDefinition").values()
    ]
    checked = {
        container["Name"]: container["HealthCheck"]["Command"]
        for definition in definitions
        for container in definition["ContainerDefinitions"]
        if "HealthCheck" in container
    }

    module = ["CMD", "python", "-m", "airflow_on_fargate.health"]
    components = ("api-server", "scheduler", "dag-processor", "triggerer", "worker")
    assert checked == {name: [*module, name] for name in components}
