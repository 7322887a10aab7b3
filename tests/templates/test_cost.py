"""The bill of bench.cost and the resources that the templates would create agree."""

from collections import Counter

import pytest
from dry_deployment import deploy, inventory
from single_changes import ALL_WORDS, WORDS_WITH_SQS

from bench.cost.bill import Bill, bill
from bench.cost.environment import FREE_TYPES
from bench.cost.prices import PriceTable
from bench.cost.profiles import environment_of
from bench.cost.workloads import IDLE, work_of

CLASSES = ("micro", "small", "medium", "large")
REGIONS = ("us-east-1", "eu-central-1")
CIDR = {"IngressCidr": "203.0.113.0/24"}
SECRET = "arn:aws:secretsmanager:us-east-1:123456789012:secret:kept-AbCdEf"
CHOICES = (
    {},
    {"NetworkMode": "public"},
    {"NetworkMode": "single-nat"},
    {"NetworkMode": "nat-per-zone"},
    {"Vpc": "vpc-1", "PrivateSubnetIds": "subnet-3,subnet-4"},
    {"IngressMode": "internal"} | CIDR,
    {"IngressMode": "http-without-tls"} | CIDR,
    {"AirflowImageUri": "example/airflow:1"},
    {"FernetKeySecretArn": SECRET},
    {"WorkerQueueNames": "heavy,light:isolated"},
    {"Options": "waf,exec"},
    {"Options": "redis", "WorkerQueueNames": "heavy"},
    {"Options": WORDS_WITH_SQS},
    {"Options": ALL_WORDS},
)
# A line → the type of resource that it counts.
COUNTED = {
    "Secrets Manager secrets": "AWS::SecretsManager::Secret",
    "private DNS zone": "AWS::ServiceDiscovery::PrivateDnsNamespace",
    "waf: web ACL": "AWS::WAFv2::WebACL",
}


def bill_of(environment_class: str, region: str, parameters: dict[str, str]) -> Bill:
    settings = [f"{name}={value}" for name, value in parameters.items()]
    environment = environment_of(environment_class, settings)
    return bill(environment, PriceTable.load(region), work_of(IDLE, environment.worker))


@pytest.mark.parametrize("environment_class", CLASSES)
@pytest.mark.parametrize("parameters", CHOICES, ids=lambda each: ",".join(each) or "default")
def test_every_resource_has_a_line_or_a_reason_why_it_costs_nothing(
    environment_class: str, parameters: dict[str, str]
) -> None:
    created = inventory(deploy(EnvironmentClass=environment_class, **parameters))
    types = {kind for kind in created.values() if not kind.startswith("Custom::")}
    idle = environment_of(environment_class, [f"{k}={v}" for k, v in parameters.items()])

    for region in REGIONS:
        # The lines of the queues are those of work.
        with_work = bill(idle, PriceTable.load(region), work_of("midnight-burst", idle.worker))
        kinds = {line.kind for line in with_work.lines}
        assert types - kinds - FREE_TYPES.keys() == set()


@pytest.mark.parametrize("environment_class", CLASSES)
@pytest.mark.parametrize("parameters", CHOICES, ids=lambda each: ",".join(each) or "default")
def test_bill_counts_what_would_be_created(
    environment_class: str, parameters: dict[str, str]
) -> None:
    stack = deploy(EnvironmentClass=environment_class, **parameters)
    created = Counter(inventory(stack).values())

    found = bill_of(environment_class, "us-east-1", parameters)

    quantities = {line.item: line.quantity for line in found.lines}
    for item, kind in COUNTED.items():
        assert quantities.get(item, 0) == created[kind], item
    assert found.environment.inventory.alarms == created["AWS::CloudWatch::Alarm"]
    assert found.environment.inventory.repositories == created["AWS::ECR::Repository"]
    assert quantities.get("NAT gateway", 0) == 730 * created["AWS::EC2::NatGateway"]
    assert quantities.get("public IPv4 of NAT gateways", 0) == 730 * created["AWS::EC2::EIP"]
    keys = sum(
        line.quantity
        for line in found.lines
        if line.kind == "AWS::KMS::Key" and line.price.unit == "key-month"
    )
    assert keys == created["AWS::KMS::Key"]


@pytest.mark.parametrize("environment_class", CLASSES)
def test_bill_has_the_tasks_of_the_services(environment_class: str) -> None:
    services = deploy(EnvironmentClass=environment_class).child("ServicesStack")
    counts = {
        name: int(services.properties(name)["DesiredCount"])
        for name, resource in services.resources.items()
        if resource["Type"] == "AWS::ECS::Service"
    }

    tasks = environment_of(environment_class, ()).tasks

    assert len(tasks) == len(counts)
    assert sum(each.count for each in tasks) == sum(counts.values())
