"""The embedded AWS refuses what the API of a service refuses, when it creates or updates."""

from typing import Any

import pytest

from ..stack_driver import EXECUTION_ROLE, StackDriver


def template(kind: str, **properties: Any) -> dict[str, Any]:
    return {"Resources": {"It": {"Type": kind, "Properties": properties}, "Role": EXECUTION_ROLE}}


ALARM = {
    "Namespace": "AWS/SQS",
    "MetricName": "NumberOfMessagesSent",
    "Statistic": "Sum",
    "Period": 60,
    "EvaluationPeriods": 1,
    "Threshold": 0,
    "ComparisonOperator": "GreaterThanThreshold",
}
REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("AWS::EC2::SecurityGroup", {"GroupDescription": "Airflow's tasks"}, "GroupDescription"),
    ("AWS::Logs::LogGroup", {"LogGroupName": "a group"}, "LogGroupName"),
    ("AWS::Logs::LogGroup", {"RetentionInDays": 10}, "RetentionInDays"),
    ("AWS::SQS::Queue", {"VisibilityTimeout": 43201}, "VisibilityTimeout"),
    ("AWS::SNS::Topic", {"TopicName": "a topic"}, "TopicName"),
    ("AWS::S3::Bucket", {"BucketName": "Upper"}, "BucketName"),
    ("AWS::ECS::Cluster", {"ClusterName": "a.b"}, "ClusterName"),
    ("AWS::SecretsManager::Secret", {"Description": "d" * 2049}, "Description"),
    ("AWS::Scheduler::ScheduleGroup", {"Name": "a group"}, "Name"),
    ("AWS::CloudWatch::Alarm", {**ALARM, "AlarmDescription": "d" * 1025}, "AlarmDescription"),
    ("AWS::CloudWatch::Alarm", {**ALARM, "Period": 45}, "Period is 45"),
    ("AWS::CloudWatch::Alarm", {**ALARM, "DatapointsToAlarm": 2}, "DatapointsToAlarm"),
    ("AWS::CloudWatch::Dashboard", {"DashboardBody": "{"}, "DashboardBody"),
]


@pytest.mark.parametrize(("kind", "properties", "named"), REFUSED)
def test_value_outside_its_limits_fails_the_resource(
    kind: str, properties: dict[str, Any], named: str, stacks: StackDriver
) -> None:
    stack = stacks.create(template(kind, **properties))

    assert stack.status == "ROLLBACK_COMPLETE"
    assert stacks.failures(stack)["It"].lstrip().startswith(named)


def test_value_outside_its_limits_fails_an_update_and_the_old_value_stays(
    stacks: StackDriver,
) -> None:
    stack = stacks.create(template("AWS::SQS::Queue", VisibilityTimeout=30))
    stack = stacks.update(stack, template("AWS::SQS::Queue", VisibilityTimeout=43201))

    assert stack.status == "UPDATE_ROLLBACK_COMPLETE"
    queue = stacks.physical_id(stack, "It")
    attributes = stacks.aws.client("sqs").get_queue_attributes(
        QueueUrl=queue, AttributeNames=["VisibilityTimeout"]
    )
    assert attributes["Attributes"]["VisibilityTimeout"] == "30"


def test_tags_of_a_stack_reach_resources_beside_those_that_cloudformation_sets(
    stacks: StackDriver,
) -> None:
    request = stacks.request(template("AWS::SQS::Queue"), {})
    answer = stacks.aws.client("cloudformation").create_stack(
        StackName="tagged", Tags=[{"Key": "team", "Value": "data"}], **request
    )

    assert stacks.wait(answer["StackId"]).status == "CREATE_COMPLETE"
