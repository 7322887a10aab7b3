"""Contract: a queue's depth is a CloudWatch metric, and an alarm on it fires by itself."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ..conftest import eventually
from ..stack_driver import StackDriver


@pytest.mark.parametrize(
    ("metric", "expected"),
    [("ApproximateNumberOfMessagesVisible", 2), ("ApproximateNumberOfMessagesNotVisible", 1)],
)
def test_metrics_count_waiting_and_received_messages(
    stacks: StackDriver, metric: str, expected: int
) -> None:
    sqs = stacks.aws.client("sqs")
    name = f"depth-{uuid.uuid4().hex[:8]}"
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    for number in range(3):
        sqs.send_message(QueueUrl=url, MessageBody=str(number))
    sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=1)

    def maximum() -> Any:
        now = datetime.now(UTC)
        answer = stacks.aws.client("cloudwatch").get_metric_statistics(
            Namespace="AWS/SQS",
            MetricName=metric,
            Dimensions=[{"Name": "QueueName", "Value": name}],
            StartTime=now - timedelta(minutes=5),
            EndTime=now + timedelta(minutes=5),
            Period=60,
            Statistics=["Maximum"],
        )
        return [point["Maximum"] for point in answer["Datapoints"]]

    eventually(lambda: maximum() and maximum()[-1] == expected)


def test_alarm_follows_the_depth_of_a_queue(stacks: StackDriver) -> None:
    stack = stacks.create(
        {
            "Resources": {
                "Queue": {"Type": "AWS::SQS::Queue"},
                "Alarm": {
                    "Type": "AWS::CloudWatch::Alarm",
                    "Properties": {
                        "Namespace": "AWS/SQS",
                        "MetricName": "ApproximateNumberOfMessagesVisible",
                        "Dimensions": [
                            {"Name": "QueueName", "Value": {"Fn::GetAtt": ["Queue", "QueueName"]}}
                        ],
                        "Statistic": "Maximum",
                        "Period": 60,
                        "EvaluationPeriods": 1,
                        "Threshold": 0,
                        "ComparisonOperator": "GreaterThanThreshold",
                        "TreatMissingData": "notBreaching",
                    },
                },
            }
        }
    )
    sqs, cloudwatch = stacks.aws.client("sqs"), stacks.aws.client("cloudwatch")
    url, alarm = (stacks.physical_id(stack, name) for name in ("Queue", "Alarm"))

    def state() -> str:
        found = cloudwatch.describe_alarms(AlarmNames=[alarm])["MetricAlarms"]
        return str(found[0]["StateValue"])

    eventually(lambda: state() == "OK")
    sqs.send_message(QueueUrl=url, MessageBody="wake up")
    eventually(lambda: state() == "ALARM")
    sqs.purge_queue(QueueUrl=url)
    eventually(lambda: state() == "OK")
