"""A second resource of a name is refused, in the scope in which the name is unique."""

from typing import Any

import pytest

from ..stack_driver import EXECUTION_ROLE, StackDriver


def template(kind: str, **properties: Any) -> dict[str, Any]:
    return {"Resources": {"It": {"Type": kind, "Properties": properties}, "Role": EXECUTION_ROLE}}


NAMED: list[tuple[str, dict[str, Any]]] = [
    ("AWS::SQS::Queue", {"QueueName": "twice"}),
    ("AWS::Logs::LogGroup", {"LogGroupName": "twice"}),
    ("AWS::SNS::Topic", {"TopicName": "twice"}),
    ("AWS::ECS::Cluster", {"ClusterName": "twice"}),
    ("AWS::SecretsManager::Secret", {"Name": "twice", "SecretString": "a"}),
    ("AWS::Scheduler::ScheduleGroup", {"Name": "twice"}),
    ("AWS::IAM::Role", {**EXECUTION_ROLE["Properties"], "RoleName": "twice"}),
    ("AWS::EC2::SecurityGroup", {"GroupName": "twice", "GroupDescription": "twice"}),
    (
        "AWS::Scheduler::Schedule",
        {
            "Name": "twice",
            "ScheduleExpression": "rate(1 hour)",
            "FlexibleTimeWindow": {"Mode": "OFF"},
            "Target": {
                "Arn": "arn:aws:sqs:us-east-1:000000000000:none",
                "RoleArn": {"Fn::GetAtt": ["Role", "Arn"]},
            },
        },
    ),
    (
        "AWS::Events::Rule",
        {"Name": "twice", "EventPattern": {"source": ["twice"]}},
    ),
    (
        "AWS::CloudWatch::Alarm",
        {
            "AlarmName": "twice",
            "Namespace": "Own",
            "MetricName": "Count",
            "Statistic": "Sum",
            "Period": 60,
            "EvaluationPeriods": 1,
            "Threshold": 1,
            "ComparisonOperator": "GreaterThanThreshold",
        },
    ),
    (
        "AWS::Lambda::Function",
        {
            "FunctionName": "twice",
            "Role": {"Fn::GetAtt": ["Role", "Arn"]},
            "Runtime": "python3.13",
            "Handler": "index.handler",
            "Code": {"ZipFile": "def handler(event, context): pass"},
        },
    ),
]


@pytest.mark.parametrize(("kind", "properties"), NAMED, ids=[kind for kind, _ in NAMED])
def test_second_resource_of_a_name_is_refused_and_the_first_one_stays(
    kind: str, properties: dict[str, Any], stacks: StackDriver
) -> None:
    first = stacks.create(template(kind, **properties))
    assert first.status == "CREATE_COMPLETE", stacks.failures(first)
    second = stacks.create(template(kind, **properties))

    assert second.status == "ROLLBACK_COMPLETE"
    assert "exists" in stacks.failures(second)["It"]
    assert stacks.physical_id(first, "It")
    assert stacks.delete(first).status == "DELETE_COMPLETE"
    third = stacks.create(template(kind, **properties))
    assert third.status == "CREATE_COMPLETE", stacks.failures(third)


def test_second_bucket_of_a_name_is_refused_and_the_first_one_stays(stacks: StackDriver) -> None:
    """CloudFormation looks before it creates anything, so no resource has an event."""
    first = stacks.create(template("AWS::S3::Bucket", BucketName="twice-twice"))
    second = stacks.create(template("AWS::S3::Bucket", BucketName="twice-twice"))

    assert second.status == "ROLLBACK_COMPLETE"
    stacks.aws.client("s3").head_bucket(Bucket=stacks.physical_id(first, "It"))


def test_name_is_taken_by_what_was_created_without_cloudformation(stacks: StackDriver) -> None:
    stacks.aws.client("logs").create_log_group(logGroupName="by-hand")
    stack = stacks.create(template("AWS::Logs::LogGroup", LogGroupName="by-hand"))

    assert stack.status == "ROLLBACK_COMPLETE"
    assert "already exists" in stacks.failures(stack)["It"]
    groups = stacks.aws.client("logs").describe_log_groups(logGroupNamePrefix="by-hand")
    assert len(groups["logGroups"]) == 1


def test_name_is_free_in_another_scope(stacks: StackDriver) -> None:
    rule = {"Name": "scoped", "EventPattern": {"source": ["scoped"]}}
    stacks.aws.client("events").create_event_bus(Name="other")
    stacks.create(template("AWS::Events::Rule", **rule))
    stack = stacks.create(template("AWS::Events::Rule", **rule, EventBusName="other"))

    assert stack.status == "CREATE_COMPLETE", stacks.failures(stack)
