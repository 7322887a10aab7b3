"""Everything that takes tags has the one that costs are grouped by."""

import pytest
from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER
from dry_deployment import STACK_NAME, DryStack, deploy, inventory
from single_changes import ALL_WORDS
from template_files import NESTED_STACK

TAG = {"Key": "airflow-on-fargate", "Value": STACK_NAME}
CHOICES = (
    {"EnvironmentClass": "micro"},
    {"EnvironmentClass": "medium", "Options": ALL_WORDS, "AdminEmail": "team@example.com"},
    {
        "EnvironmentClass": "small",
        "IngressMode": "load-balancer",
        "IngressCidr": "203.0.113.0/24",
        "DomainName": "airflow.example.com",
        "HostedZoneId": "Z0123456789",
        "WorkerQueueNames": "team:isolated",
    },
)
# AWS offers no tags for them.
UNTAGGED = {
    "AWS::EC2::Route",
    "AWS::EC2::SecurityGroupEgress",
    "AWS::EC2::SecurityGroupIngress",
    "AWS::EC2::SubnetRouteTableAssociation",
    "AWS::EC2::VPCGatewayAttachment",
    "AWS::KMS::Alias",
    "AWS::Lambda::LayerVersion",
    "AWS::Lambda::Permission",
    "AWS::Route53::RecordSet",
    "AWS::S3::BucketPolicy",
    "AWS::SNS::Subscription",
    "AWS::SQS::QueuePolicy",
    "AWS::Scheduler::Schedule",
    "AWS::WAFv2::WebACLAssociation",
}


def types_of(stack: DryStack) -> set[str]:
    return {kind for kind in inventory(stack).values() if not kind.startswith("Custom::")}


@pytest.mark.parametrize("parameters", CHOICES, ids=lambda each: each["EnvironmentClass"])
def test_root_tags_each_of_its_nested_stacks_with_its_name(parameters: dict[str, str]) -> None:
    """CloudFormation gives the tags of a stack to its resources, nested stacks included."""
    stack = deploy(**parameters)

    assert {resource["Type"] for resource in stack.resources.values()} == {NESTED_STACK}
    for name in stack.resources:
        assert TAG in stack.properties(name)["Tags"], name


@pytest.mark.parametrize("parameters", CHOICES, ids=lambda each: each["EnvironmentClass"])
def test_every_type_takes_tags_of_its_stack_or_is_known_to_take_none(
    parameters: dict[str, str],
) -> None:
    for kind in types_of(deploy(**parameters)) - UNTAGGED:
        schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind).schema
        assert "Tags" in schema["properties"], kind
        # A tag that comes with an update must not replace a database.
        assert "/properties/Tags" not in schema.get("createOnlyProperties", []), kind


@pytest.mark.parametrize("environment_class", ["micro", "medium"])
def test_services_give_their_tags_to_their_tasks(environment_class: str) -> None:
    stack = deploy(EnvironmentClass=environment_class).child("ServicesStack")
    services = [
        name for name, each in stack.resources.items() if each["Type"] == "AWS::ECS::Service"
    ]

    assert services
    for name in services:
        properties = stack.properties(name)
        assert properties["PropagateTags"] in ("SERVICE", "TASK_DEFINITION")
        assert properties["EnableECSManagedTags"] is True


def test_snapshots_have_the_tags_of_the_database() -> None:
    database = deploy().child("DatabaseStack").properties("Database")

    assert database["CopyTagsToSnapshot"] is True
