"""The limits of AWS's APIs: every kind of rule refuses what it is for, and the table is sound."""

from typing import Any

import pytest

from embedded_aws.limits import api
from embedded_aws.limits.resources import UnknownValue, findings
from embedded_aws.limits.tables import LIMITS, limits_of

ROLE = {
    "AssumeRolePolicyDocument": {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole"}],
    }
}
FUNCTION = "AWS::Lambda::Function"
MAPPING = "AWS::Lambda::EventSourceMapping"
SQS = "arn:aws:sqs:us-east-1:123456789012:queue"
TASKS = "AWS::ECS::TaskDefinition"
BALANCING = "AWS::ElasticLoadBalancingV2"
PATTERN = {"EventPattern": {"source": ["aws.s3"]}}
MINUTES = {"Period": 60, "EvaluationPeriods": 1}


def problems(resource_type: str, properties: dict[str, Any]) -> list[str]:
    limits = limits_of(resource_type)
    assert limits is not None
    return [str(found) for found in findings(limits, properties)]


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    # Characters and lengths of botocore's models.
    (FUNCTION, {"Description": "d" * 257}, "length less than or equal to 256"),
    ("AWS::IAM::Role", {**ROLE, "RoleName": "r" * 65}, "length less than or equal to 64"),
    ("AWS::IAM::Role", {**ROLE, "Description": "releases – of DAGs"}, "satisfy regular expression"),
    ("AWS::Logs::LogGroup", {"LogGroupName": "/airflow/a b"}, "does not match"),
    ("AWS::Scheduler::Schedule", {"Name": "a schedule"}, "satisfy regular expression"),
    ("AWS::CloudWatch::Alarm", {**MINUTES, "AlarmDescription": "d" * 1025}, "equal to 1024"),
    ("AWS::CloudWatch::Alarm", {**MINUTES, "Statistic": "Middle"}, "enum value set"),
    ("AWS::CloudWatch::Alarm", {**MINUTES, "AlarmActions": ["arn:aws:sns:::a"] * 6}, "6 entries"),
    ("AWS::Events::Rule", {**PATTERN, "Description": "d" * 513}, "less than or equal to 512"),
    ("AWS::Events::Rule", {**PATTERN, "Targets": [{"Id": "a b"}]}, "regular expression"),
    ("AWS::SecretsManager::Secret", {"Description": "d" * 2049}, "equal to 2048"),
    ("AWS::ServiceDiscovery::Service", {"Name": "api server"}, "regular expression"),
    (MAPPING, {"ScalingConfig": {"MaximumConcurrency": 1}, "EventSourceArn": SQS}, "equal to 2"),
    # What botocore does not know.
    ("AWS::EC2::SecurityGroup", {"GroupDescription": "Airflow's tasks"}, "does not match"),
    ("AWS::EC2::SecurityGroup", {"GroupName": "sg-tasks"}, "does not match"),
    ("AWS::EC2::SecurityGroupIngress", {"Description": "d" * 256}, "allowed are 0 to 255"),
    ("AWS::EC2::VPC", {"CidrBlock": "10.0.0.0/8"}, "allowed are /16 to /28"),
    ("AWS::EC2::VPC", {"CidrBlock": "10.0.300.0/16"}, "10.0.300.0"),
    (f"{BALANCING}::TargetGroup", {"Name": "a" * 33}, "allowed are 1 to 32"),
    (f"{BALANCING}::TargetGroup", {"Name": "airflow-"}, "does not match"),
    (f"{BALANCING}::LoadBalancer", {"Name": "internal-airflow"}, "does not match"),
    (f"{BALANCING}::TargetGroup",
     {"HealthCheckIntervalSeconds": 10, "HealthCheckTimeoutSeconds": 10}, "not below the interval"),
    (f"{BALANCING}::TargetGroup",
     {"TargetGroupAttributes": [{"Key": "deregistration_delay.timeout_seconds", "Value": "3601"}]},
     "allowed are 0 to 3600"),
    (f"{BALANCING}::ListenerRule",
     {"Conditions": [{"PathPatternConfig": {"Values": ["/a b"]}}]}, "does not match"),
    (f"{BALANCING}::ListenerRule", {"Priority": 50001}, "equal to 50000"),
    ("AWS::RDS::DBInstance", {"DBInstanceIdentifier": "air--flow"}, "does not match"),
    ("AWS::RDS::DBInstance", {"MasterUsername": "rdsadmin"}, "reserved"),
    ("AWS::RDS::DBInstance", {"MasterUserPassword": "with a space"}, "does not match"),
    ("AWS::RDS::DBInstance", {"AllocatedStorage": "19"}, "20 to 65536"),
    ("AWS::S3::Bucket", {"BucketName": "Airflow"}, "does not match"),
    ("AWS::S3::Bucket", {"BucketName": "xn--airflow"}, "does not match"),
    ("AWS::S3::Bucket", {"BucketName": "192.168.0.1"}, "does not match"),
    ("AWS::S3::Bucket", {"LifecycleConfiguration": {"Rules": [{"Status": "Enabled"}]}},
     "without an action"),
    ("AWS::SQS::Queue", {"QueueName": "airflow.tasks"}, "does not match"),
    ("AWS::SQS::Queue", {"VisibilityTimeout": 43201}, "0 to 43200"),
    ("AWS::SQS::Queue", {"RedrivePolicy": {"deadLetterTargetArn": SQS, "maxReceiveCount": 1001}},
     "1 to 1000"),
    ("AWS::SNS::Topic", {"TopicName": "a topic"}, "does not match"),
    ("AWS::Logs::LogGroup", {"RetentionInDays": 10}, "not one of"),
    ("AWS::Scheduler::Schedule", {"ScheduleExpression": "rate(1 minutes)"}, "does not match"),
    ("AWS::Scheduler::Schedule", {"ScheduleExpression": "rate(15 minute)"}, "does not match"),
    ("AWS::Scheduler::Schedule", {"ScheduleExpression": "cron(0 3 * * SUN *)"}, "question mark"),
    ("AWS::CloudWatch::Alarm", {"Period": 45}, "multiples of 60"),
    ("AWS::CloudFront::Distribution",
     {"DistributionConfig": {"Comment": "c" * 129, "Origins": [{"Id": "a"}],
                             "DefaultCacheBehavior": {"TargetOriginId": "a"}}}, "0 to 128"),
    ("AWS::CloudFront::Distribution",
     {"DistributionConfig": {"Origins": [{"Id": "a"}],
                             "DefaultCacheBehavior": {"TargetOriginId": "b"}}}, "origin 'b'"),
    ("AWS::ECS::Cluster", {"ClusterName": "air.flow"}, "does not match"),
    (TASKS, {"Family": "f" * 256}, "1 to 255"),
    (TASKS, {"ContainerDefinitions": [{"Name": "a", "Environment": [{"Name": "A=B"}]}]},
     "does not match"),
    (TASKS, {"ContainerDefinitions": [{"Name": "a", "StopTimeout": 121}]}, "2 to 120"),
    (TASKS, {"ContainerDefinitions": [{"Name": "a", "Environment": [{"Name": "A"}],
                                       "Secrets": [{"Name": "A"}]}]}, "secret A twice"),
    (TASKS, {"ContainerDefinitions": [{"Name": "a"}, {"Name": "a"}]}, "the name a"),
    (TASKS, {"ContainerDefinitions": [{"Name": "a", "Command": ["x" * 70_000]}]}, "bytes"),
    (FUNCTION, {"FunctionName": "f" * 65}, "1 to 64"),
    (FUNCTION, {"Timeout": 901}, "1 to 900"),
    (FUNCTION, {"Environment": {"Variables": {"1ST": ""}}}, "(the name)"),
    (FUNCTION, {"Environment": {"Variables": {"AWS_REGION": "here"}}}, "reserved"),
    (FUNCTION, {"Environment": {"Variables": {"LARGE": "x" * 4096}}}, "allowed are 4096"),
    (MAPPING, {"BatchSize": 100, "EventSourceArn": SQS}, "greater than 0"),
    (MAPPING, {"StartingPosition": "LATEST", "EventSourceArn": SQS}, "Unsupported"),
    ("AWS::Events::Rule", {"EventPattern": {"source": "aws.s3"}}, "not a list of values"),
    ("AWS::IAM::Role", {"AssumeRolePolicyDocument": {
        "Version": "2012-10-17",
        "Statement": [{"Sid": "Not a word", "Effect": "Allow", "Action": "sts:AssumeRole"}]}},
     "statement id"),
    ("AWS::IAM::Role", {**ROLE, "Policies": [
        {"PolicyName": f"p{number}", "PolicyDocument": {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": "s3:Get", "Resource": "r" * 6000}]}}
        for number in (1, 2)]}, "characters together"),
    ("AWS::CloudFormation::Stack", {"Parameters": {"Long": "x" * 4097}}, "allowed are 4096"),
    ("Custom::AirflowCommand", {"ServiceTimeout": 3601}, "1 to 3600"),
    ("AWS::SNS::Topic", {"Tags": [{"Key": "aws:name", "Value": "x"}]}, "does not match"),
]  # fmt: skip


@pytest.mark.parametrize(("resource_type", "properties", "expected"), REFUSED)
def test_what_an_api_refuses_is_a_problem(
    resource_type: str, properties: dict[str, Any], expected: str
) -> None:
    assert any(expected in each for each in problems(resource_type, properties))


def test_value_that_only_aws_gives_is_not_looked_at() -> None:
    assert problems("AWS::S3::BucketPolicy", {"Bucket": UnknownValue("<DagBucket>")}) == []


def test_numbers_may_be_written_as_text() -> None:
    assert problems("AWS::Logs::LogGroup", {"RetentionInDays": "14"}) == []


@pytest.mark.parametrize("resource_type", LIMITS)
def test_entry_names_what_botocore_has(resource_type: str) -> None:
    entry = LIMITS[resource_type]
    shapes = [api.shape_at(reference) for reference in entry.members.values()]
    if entry.api:
        shapes.append(api.shape_at(entry.api))
    assert all(shapes)


def test_entry_that_botocore_does_not_have_is_refused() -> None:
    with pytest.raises(api.NoSuchShapeError, match="CreateBox"):
        api.shape_at("sqs:CreateBox")
    with pytest.raises(api.NoSuchShapeError, match="Colour"):
        api.shape_at("sqs:CreateQueue:Colour")
