"""A distribution on the HTTPS port, with a VPC origin that leads to an internal load balancer."""

import http.client
import json
import ssl
from collections.abc import Iterator
from typing import Any

import pytest
from waiting import PATIENCE_SECONDS

from ..conftest import EmbeddedAws
from ..ecs_tasks import Ecs
from ..stack_driver import SUBNET, VPC, Stack, StackDriver
from ..web_server import WEB, fetch, resources

ALL_VIEWER = "216adef6-5c7f-47e4-b989-5492eafa07d3"
CACHING_DISABLED = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
SECURITY_HEADERS = "67f7725c-6f97-4210-82d7-5512b31e9d03"
ALL_METHODS = ["GET", "HEAD", "OPTIONS", "PUT", "PATCH", "POST", "DELETE"]
OUTPUTS = {
    "Domain": {"Value": {"Fn::GetAtt": ["Distribution", "DomainName"]}},
    "DistributionId": {"Value": {"Fn::GetAtt": ["Distribution", "Id"]}},
    "DistributionRef": {"Value": {"Ref": "Distribution"}},
    "OriginId": {"Value": {"Fn::GetAtt": ["Origin", "Id"]}},
    "OriginRef": {"Value": {"Ref": "Origin"}},
    "OriginArn": {"Value": {"Fn::GetAtt": ["Origin", "Arn"]}},
}


def distribution(**changes: Any) -> dict[str, Any]:
    config = {
        "Enabled": True,
        "Origins": [
            {
                "Id": "balancer",
                "DomainName": {"Fn::GetAtt": ["Balancer", "DNSName"]},
                "VpcOriginConfig": {
                    "VpcOriginId": {"Fn::GetAtt": ["Origin", "Id"]},
                    "OriginReadTimeout": 60,
                },
            }
        ],
        "DefaultCacheBehavior": {
            "TargetOriginId": "balancer",
            "ViewerProtocolPolicy": "redirect-to-https",
            "AllowedMethods": ALL_METHODS,
            "CachePolicyId": CACHING_DISABLED,
            "OriginRequestPolicyId": ALL_VIEWER,
            "ResponseHeadersPolicyId": SECURITY_HEADERS,
        },
        **changes,
    }
    return {"Type": "AWS::CloudFront::Distribution", "Properties": {"DistributionConfig": config}}


ORIGIN = {
    "Type": "AWS::CloudFront::VpcOrigin",
    "Properties": {
        "VpcOriginEndpointConfig": {
            "Name": {"Ref": "AWS::StackName"},
            "Arn": {"Ref": "Balancer"},
            "HTTPPort": 80,
            "OriginProtocolPolicy": "http-only",
        }
    },
}

GATEWAY = {
    "Gateway": {"Type": "AWS::EC2::InternetGateway"},
    "Attachment": {
        "Type": "AWS::EC2::VPCGatewayAttachment",
        "Properties": {"VpcId": {"Ref": "Vpc"}, "InternetGatewayId": {"Ref": "Gateway"}},
    },
}


def balancer_of_a_vpc(prefix_list: str) -> dict[str, Any]:
    """An internal load balancer in a real VPC; its security group admits one prefix list."""
    rule = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "SourcePrefixListId": prefix_list}
    return {
        "Vpc": VPC,
        "Subnet": SUBNET,
        "Group": {
            "Type": "AWS::EC2::SecurityGroup",
            "Properties": {"GroupDescription": "contract test", "VpcId": {"Ref": "Vpc"}},
        },
        "GroupRule": {
            "Type": "AWS::EC2::SecurityGroupIngress",
            "Properties": {"GroupId": {"Fn::GetAtt": ["Group", "GroupId"]}, **rule},
        },
        "Balancer": {
            "Type": "AWS::ElasticLoadBalancingV2::LoadBalancer",
            "Properties": {
                "Scheme": "internal",
                "Subnets": [{"Ref": "Subnet"}],
                "SecurityGroups": [{"Fn::GetAtt": ["Group", "GroupId"]}],
            },
        },
    }


@pytest.fixture
def prefix_list(embedded_aws: EmbeddedAws) -> str:
    """The id that the preflight function looks up."""
    name = "com.amazonaws.global.cloudfront.origin-facing"
    found = embedded_aws.client("ec2").describe_managed_prefix_lists(
        Filters=[{"Name": "prefix-list-name", "Values": [name]}]
    )["PrefixLists"]
    assert [one["PrefixListName"] for one in found] == [name]
    return str(found[0]["PrefixListId"])


@pytest.fixture
def deployed(ecs: Ecs, stacks: StackDriver, prefix_list: str) -> Iterator[Stack]:
    web = resources(ecs, f"touch up; {WEB}")
    template = {
        **web,
        **balancer_of_a_vpc(prefix_list),
        **GATEWAY,
        "Origin": {**ORIGIN, "DependsOn": ["Attachment", "Listener"]},
        "Distribution": distribution(),
    }
    stack = stacks.create({"Resources": template, "Outputs": OUTPUTS})
    assert stack.status == "CREATE_COMPLETE", stacks.failures(stack)
    yield stack
    assert stacks.delete(stack).status == "DELETE_COMPLETE"


def test_viewers_reach_the_targets_through_the_distribution(
    deployed: Stack, embedded_aws: EmbeddedAws
) -> None:
    outputs = deployed.outputs
    assert outputs["DistributionRef"] == outputs["DistributionId"]
    assert outputs["OriginRef"] == outputs["OriginId"]
    assert outputs["OriginArn"].endswith(f":vpcorigin/{outputs['OriginId']}")
    url = f"https://{outputs['Domain']}"
    assert url == embedded_aws.https_url

    status, body = fetch(
        f"{url}/some%20path?a=b%2Fc", b"payload", embedded_aws.ca_file, Cookie="session=1"
    )

    assert status == 200
    echo = json.loads(body)
    assert echo["path"] == "/some%20path?a=b%2Fc"
    assert echo["body"] == "payload"
    headers = echo["headers"]
    assert headers["host"] == outputs["Domain"]
    assert headers["cookie"] == "session=1"
    assert headers["via"].endswith(".cloudfront.net (CloudFront)")
    assert headers["x-amz-cf-id"]
    assert headers["x-forwarded-for"].startswith("127.0.0.1, ")
    # The load balancer overwrites what CloudFront knew of the viewer's protocol.
    assert headers["x-forwarded-proto"] == "http"
    assert headers["x-forwarded-port"] == "80"
    assert fetch(f"{url}/teapot/1", ca_file=embedded_aws.ca_file) == (418, "by rule")

    _check_streaming(embedded_aws)
    _check_refusals(embedded_aws, outputs["DistributionId"])


def _check_streaming(emulator: EmbeddedAws) -> None:
    context = ssl.create_default_context(cafile=emulator.ca_file)
    connection = http.client.HTTPSConnection(
        "localhost", emulator.config["https_port"], timeout=PATIENCE_SECONDS, context=context
    )
    connection.request("GET", "/stream")
    answer = connection.getresponse()
    assert answer.getheader("X-Cache") == "Miss from cloudfront"
    assert answer.getheader("X-Frame-Options") == "SAMEORIGIN"
    # A browser would apply it to every port of localhost.
    assert answer.getheader("Strict-Transport-Security") is None
    assert answer.read1(10) == b"1"  # before the second part is sent
    connection.close()


def _check_refusals(emulator: EmbeddedAws, distribution_id: str) -> None:
    # A client that does not trust the local authority is not served.
    with pytest.raises(Exception, match="CERTIFICATE_VERIFY_FAILED"):
        fetch(emulator.https_url)
    status, body = fetch(f"{emulator.ui_url}/")
    assert status == 403
    assert f"the origin of distribution {distribution_id}" in body


def test_viewers_time_out_when_no_security_group_admits_cloudfront(
    ecs: Ecs, stacks: StackDriver, embedded_aws: EmbeddedAws
) -> None:
    other = "pl-0123456789abcdef0"
    template = {
        **resources(ecs, f"touch up; {WEB}"),
        **balancer_of_a_vpc(other),
        **GATEWAY,
        "Origin": {**ORIGIN, "DependsOn": ["Attachment", "Listener"]},
        "Distribution": distribution(),
    }
    stack = stacks.create({"Resources": template})
    assert stack.status == "CREATE_COMPLETE", stacks.failures(stack)
    try:
        assert fetch(embedded_aws.https_url, ca_file=embedded_aws.ca_file)[0] == 504
    finally:
        stacks.delete(stack)


def test_vpc_origin_is_refused_when_the_vpc_has_no_internet_gateway(
    stacks: StackDriver, prefix_list: str
) -> None:
    stack = stacks.create({"Resources": {**balancer_of_a_vpc(prefix_list), "Origin": ORIGIN}})

    assert stack.status == "ROLLBACK_COMPLETE"
    assert "no internet gateway" in stacks.failures(stack)["Origin"]


def test_vpc_origin_cannot_change_while_a_distribution_uses_it(
    stacks: StackDriver, prefix_list: str
) -> None:
    template = {
        **balancer_of_a_vpc(prefix_list),
        **GATEWAY,
        "Origin": {**ORIGIN, "DependsOn": "Attachment"},
        "Distribution": distribution(),
    }
    stack = stacks.create({"Resources": template})
    assert stack.status == "CREATE_COMPLETE", stacks.failures(stack)
    changed = json.loads(json.dumps(template))
    changed["Origin"]["Properties"]["VpcOriginEndpointConfig"]["HTTPPort"] = 8080

    stack = stacks.update(stack, {"Resources": changed})

    assert stack.status == "UPDATE_ROLLBACK_COMPLETE"
    assert "currently associated with one or more distributions" in stacks.failures(stack)["Origin"]
    stacks.delete(stack)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (
            {"DefaultCacheBehavior": {"TargetOriginId": "x", "ViewerProtocolPolicy": "https-only"}},
            "names origin 'x'",
        ),
        (
            {
                "DefaultCacheBehavior": {
                    "TargetOriginId": "balancer",
                    "ViewerProtocolPolicy": "https-only",
                    "CachePolicyId": "658327ea-f89d-4fab-a63d-7e88639e58f6",
                }
            },
            "CachingDisabled",
        ),
        ({"Aliases": ["airflow.example.com"]}, "InvalidViewerCertificate"),
        (
            {
                "Origins": [
                    {
                        "Id": "balancer",
                        "DomainName": "x",
                        "VpcOriginConfig": {"VpcOriginId": "vo_1"},
                    }
                ]
            },
            "the VPC origin vo_1 does not exist",
        ),
    ],
)
def test_distribution_is_refused_with_a_reason(
    stacks: StackDriver, prefix_list: str, changes: dict[str, Any], reason: str
) -> None:
    template = {
        **balancer_of_a_vpc(prefix_list),
        **GATEWAY,
        "Origin": {**ORIGIN, "DependsOn": "Attachment"},
        "Distribution": distribution(**changes),
    }

    stack = stacks.create({"Resources": template})

    assert stack.status == "ROLLBACK_COMPLETE"
    assert reason in stacks.failures(stack)["Distribution"]
