"""Alias records of a template, in a hosted zone that they belong to."""

import uuid
from typing import Any

import pytest

from ..conftest import EmbeddedAws
from ..stack_driver import StackDriver, deploy

BALANCER = {
    "Type": "AWS::ElasticLoadBalancingV2::LoadBalancer",
    "Properties": {"Subnets": ["subnet-1", "subnet-2"]},
}


@pytest.fixture
def zone_id(embedded_aws: EmbeddedAws) -> str:
    answer = embedded_aws.client("route53").create_hosted_zone(
        Name="example.com", CallerReference=uuid.uuid4().hex
    )
    return str(answer["HostedZone"]["Id"].rsplit("/", 1)[-1])


def alias(zone_id: str, name: str = "airflow.example.com", **target: Any) -> dict[str, Any]:
    return {
        "Type": "AWS::Route53::RecordSet",
        "Properties": {
            "HostedZoneId": zone_id,
            "Name": name,
            "Type": "A",
            "AliasTarget": {
                "DNSName": {"Fn::GetAtt": ["Balancer", "DNSName"]},
                "HostedZoneId": {"Fn::GetAtt": ["Balancer", "CanonicalHostedZoneID"]},
                **target,
            },
        },
    }


def test_alias_of_the_load_balancer_is_in_its_hosted_zone(
    stacks: StackDriver, embedded_aws: EmbeddedAws, zone_id: str
) -> None:
    stack = deploy(stacks, {"Balancer": BALANCER, "Record": alias(zone_id)})

    route53 = embedded_aws.client("route53")
    records = route53.list_resource_record_sets(HostedZoneId=zone_id)["ResourceRecordSets"]
    assert "airflow.example.com." in [record["Name"] for record in records]
    assert stacks.delete(stack).status == "DELETE_COMPLETE"
    left = route53.list_resource_record_sets(HostedZoneId=zone_id)["ResourceRecordSets"]
    assert "airflow.example.com." not in [record["Name"] for record in left]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"zone_id": "Z0000000000000"}, "NoSuchHostedZone"),
        ({"name": "airflow.example.org"}, "not permitted in zone example.com."),
        ({"HostedZoneId": "Z2FDTNDATAQYW2"}, "does not lie within the target zone"),
        ({"DNSName": "elsewhere.example.net"}, "neither the load balancer nor the distribution"),
    ],
)
def test_record_is_refused_with_a_reason(
    stacks: StackDriver, zone_id: str, changes: dict[str, Any], reason: str
) -> None:
    record = alias(**{"zone_id": zone_id, **changes})

    stack = stacks.create({"Resources": {"Balancer": BALANCER, "Record": record}})

    assert stack.status == "ROLLBACK_COMPLETE"
    assert reason in stacks.failures(stack)["Record"]
