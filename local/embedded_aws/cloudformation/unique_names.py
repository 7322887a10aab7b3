"""A resource whose name another one has is refused, in the scope in which the name is unique.

ministack 1.5.33 makes most resources a second time: two stacks then share one, and deleting either
takes it from both. On AWS the second creation fails, also when another stack made the first. Names
that CloudFormation generates are not looked at; queues and load balancers have checks of their own.
"""

from collections.abc import Callable
from typing import Any

from ministack.services import (
    alb,
    cloudwatch,
    cloudwatch_logs,
    ec2,
    ecs,
    eventbridge,
    iam,
    lambda_svc,
    s3,
    scheduler,
    secretsmanager,
    servicediscovery,
    sns,
)
from ministack.services.cloudformation import stacks

from embedded_aws.cloudformation.engine import Created, Properties
from embedded_aws.settings import Settings

Exists = Callable[[str, Properties], bool]


class NameExistsError(ValueError):
    """Another resource has the name."""


def install(settings: Settings) -> None:
    provision = stacks._provision_resource

    def provision_once(
        resource_type: str, logical_id: str, properties: Properties, stack_name: str
    ) -> Created:
        check(resource_type, properties)
        created: Created = provision(resource_type, logical_id, properties, stack_name)
        return created

    stacks._provision_resource = provision_once


def check(resource_type: str, properties: Properties) -> None:
    named_by, exists = _NAMES.get(resource_type, ("", None))
    name = properties.get(named_by)
    if exists and name and exists(str(name), properties):
        raise NameExistsError(
            f"{resource_type} with identifier '{name}' already exists. (HandlerErrorCode: "
            "AlreadyExists)"
        )


def _has(records: Any, **wanted: Any) -> bool:
    return any(
        all(record.get(key) == value for key, value in wanted.items())
        for record in list(records.values())
    )


# Type: the property that names it, and whether the name is taken in its scope. Unless something
# else is said, a name is unique in the account and the region.
_NAMES: dict[str, tuple[str, Exists]] = {
    "AWS::CloudWatch::Alarm": ("AlarmName", lambda name, _: name in cloudwatch._alarms),
    # In the VPC.
    "AWS::EC2::SecurityGroup": (
        "GroupName",
        lambda name, properties: any(
            group["GroupName"] == name
            and group["VpcId"] == (properties.get("VpcId") or group["VpcId"])
            for group in list(ec2._security_groups.values())
        ),
    ),
    "AWS::ECS::Cluster": (
        "ClusterName",
        lambda name, _: (ecs._clusters.get(name) or {}).get("status") == "ACTIVE",
    ),
    # In the cluster.
    "AWS::ECS::Service": (
        "ServiceName",
        lambda name, properties: (
            (
                ecs._services.get(f"{str(properties.get('Cluster')).rpartition('/')[2]}/{name}")
                or {}
            ).get("status")
            == "ACTIVE"
        ),
    ),
    "AWS::ElasticLoadBalancingV2::LoadBalancer": (
        "Name",
        lambda name, _: _has(alb._lbs, LoadBalancerName=name),
    ),
    "AWS::ElasticLoadBalancingV2::TargetGroup": (
        "Name",
        lambda name, _: _has(alb._tgs, TargetGroupName=name),
    ),
    # On the event bus.
    "AWS::Events::Rule": (
        "Name",
        lambda name, properties: _has(
            eventbridge._rules, Name=name, EventBusName=properties.get("EventBusName", "default")
        ),
    ),
    # In the account, in all regions.
    "AWS::IAM::Role": ("RoleName", lambda name, _: name in iam._roles),
    "AWS::Lambda::Function": ("FunctionName", lambda name, _: name in lambda_svc._functions),
    "AWS::Logs::LogGroup": ("LogGroupName", lambda name, _: name in cloudwatch_logs._log_groups),
    # In all accounts and regions.
    "AWS::S3::Bucket": ("BucketName", lambda name, _: name in s3._buckets),
    # In the group.
    "AWS::Scheduler::Schedule": (
        "Name",
        lambda name, properties: (
            f"{properties.get('GroupName', 'default')}/{name}" in scheduler._schedules
        ),
    ),
    "AWS::Scheduler::ScheduleGroup": ("Name", lambda name, _: name in scheduler._schedule_groups),
    "AWS::SecretsManager::Secret": ("Name", lambda name, _: name in secretsmanager._secrets),
    # In the namespace.
    "AWS::ServiceDiscovery::Service": (
        "Name",
        lambda name, properties: _has(
            servicediscovery._services, Name=name, NamespaceId=properties.get("NamespaceId")
        ),
    ),
    "AWS::SNS::Topic": ("TopicName", lambda name, _: _has(sns._topics, name=name)),
}
