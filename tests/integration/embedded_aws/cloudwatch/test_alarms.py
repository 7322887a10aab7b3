"""Contract: alarms evaluate their own metric and act on SNS, Lambda and EventBridge."""

import json
import signal
import time
import uuid
from typing import Any

import pytest

from ..conftest import eventually
from ..roles import let_send
from ..stack_driver import EXECUTION_ROLE, Stack, StackDriver

RECORDER = """
import json


def handler(event, context):
    print(json.dumps(event))
"""
NAMESPACE = "ContractTests"
METRIC = {"name": ""}


@pytest.fixture(autouse=True)
def metric(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test has its own metric, because datapoints stay."""
    monkeypatch.setitem(METRIC, "name", f"Depth-{uuid.uuid4().hex[:8]}")


def template(stacks: StackDriver, permission: bool = True, **alarm: Any) -> dict[str, Any]:
    """An alarm on one dimension of a metric, whose action is a function that records events."""
    resources: dict[str, Any] = {
        "Role": EXECUTION_ROLE,
        "LogGroup": {"Type": "AWS::Logs::LogGroup"},
        "Recorder": stacks.function(RECORDER, LoggingConfig={"LogGroup": {"Ref": "LogGroup"}}),
        "Alarm": {
            "Type": "AWS::CloudWatch::Alarm",
            "Properties": {
                "Namespace": NAMESPACE,
                "MetricName": METRIC["name"],
                "Dimensions": [{"Name": "QueueName", "Value": "mine"}],
                "Statistic": "Maximum",
                "Period": 60,
                "EvaluationPeriods": 1,
                "Threshold": 0,
                "ComparisonOperator": "GreaterThanThreshold",
                "AlarmActions": [{"Fn::GetAtt": ["Recorder", "Arn"]}],
                **alarm,
            },
        },
    }
    if permission:
        resources["Permission"] = {
            "Type": "AWS::Lambda::Permission",
            "Properties": {
                "FunctionName": {"Ref": "Recorder"},
                "Action": "lambda:InvokeFunction",
                "Principal": "lambda.alarms.cloudwatch.amazonaws.com",
                "SourceArn": {"Fn::GetAtt": ["Alarm", "Arn"]},
            },
        }
    outputs = {"LogGroup": {"Ref": "LogGroup"}, "Alarm": {"Ref": "Alarm"}}
    return {
        "Resources": resources,
        "Outputs": {name: {"Value": value} for name, value in outputs.items()},
    }


def deploy(stacks: StackDriver, made: dict[str, Any]) -> Stack:
    stack = stacks.create(made)
    assert stack.status == "CREATE_COMPLETE", stacks.failures(stack)
    return stack


def put(stacks: StackDriver, value: float, queue: str = "mine") -> None:
    datum = {
        "MetricName": METRIC["name"],
        "Dimensions": [{"Name": "QueueName", "Value": queue}],
        "Value": value,
    }
    stacks.aws.client("cloudwatch").put_metric_data(Namespace=NAMESPACE, MetricData=[datum])


def state(stacks: StackDriver, stack: Stack) -> str:
    found = stacks.aws.client("cloudwatch").describe_alarms(AlarmNames=[stack.outputs["Alarm"]])
    return str(found["MetricAlarms"][0]["StateValue"])


def states(stacks: StackDriver, stack: Stack) -> list[str]:
    """Every state since the alarm was made, the oldest first.

    A minute is a second here, so a look at the present state misses those that last for one.
    """
    found = stacks.aws.client("cloudwatch").describe_alarm_history(
        AlarmName=stack.outputs["Alarm"], HistoryItemType="StateUpdate", ScanBy="TimestampAscending"
    )
    data = [json.loads(item["HistoryData"]) for item in found["AlarmHistoryItems"]]
    return [str(each["newState"]["stateValue"]) for each in data]


def events(stacks: StackDriver, stack: Stack) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stacks.log_lines(stack.outputs["LogGroup"])]


def test_alarm_sends_the_documented_payload_to_its_function(stacks: StackDriver) -> None:
    stack = deploy(stacks, template(stacks))

    put(stacks, 3)

    event = eventually(lambda: events(stacks, stack))[0]
    assert event["source"] == "aws.cloudwatch"
    assert event["alarmArn"].endswith(f":alarm:{stack.outputs['Alarm']}")
    assert event["accountId"] == "000000000000" and event["region"] == "us-east-1"
    data = event["alarmData"]
    assert data["alarmName"] == stack.outputs["Alarm"]
    assert data["state"]["value"] == "ALARM"
    assert data["previousState"]["value"] in ("INSUFFICIENT_DATA", "OK")
    metric = data["configuration"]["metrics"][0]["metricStat"]
    assert metric["metric"]["dimensions"] == {"QueueName": "mine"}
    assert (metric["period"], metric["stat"]) == (60, "Maximum")


def test_alarm_ignores_other_dimensions(stacks: StackDriver) -> None:
    stack = deploy(stacks, template(stacks))

    put(stacks, 0)
    put(stacks, 100, queue="theirs")

    eventually(lambda: "OK" in states(stacks, stack))
    assert "ALARM" not in states(stacks, stack)
    assert events(stacks, stack) == []


def test_alarm_is_ok_when_missing_data_do_not_breach(stacks: StackDriver) -> None:
    stack = deploy(stacks, template(stacks, TreatMissingData="notBreaching"))
    put(stacks, 1)
    eventually(lambda: events(stacks, stack))

    eventually(lambda: state(stacks, stack) == "OK")

    assert states(stacks, stack)[-2:] == ["ALARM", "OK"]
    assert len(events(stacks, stack)) == 1


def test_alarm_sees_a_minute_that_passed_while_the_machine_was_busy(stacks: StackDriver) -> None:
    stack = deploy(stacks, template(stacks, TreatMissingData="notBreaching"))
    put(stacks, 1)
    # A machine on which the emulator gets no time for three of its minutes.
    stacks.aws.process.send_signal(signal.SIGSTOP)
    try:
        stopped = time.monotonic()
        eventually(lambda: time.monotonic() >= stopped + 3)
    finally:
        stacks.aws.process.send_signal(signal.SIGCONT)

    eventually(lambda: events(stacks, stack))

    assert "ALARM" in states(stacks, stack)


def test_alarm_needs_as_many_breaching_periods_as_datapoints_to_alarm(stacks: StackDriver) -> None:
    made = template(
        stacks, EvaluationPeriods=500, DatapointsToAlarm=2, TreatMissingData="notBreaching"
    )
    stack = deploy(stacks, made)
    put(stacks, 1)
    eventually(lambda: "OK" in states(stacks, stack))
    assert "ALARM" not in states(stacks, stack)

    def breach_until_alarm() -> bool:
        put(stacks, 1)
        return "ALARM" in states(stacks, stack)

    eventually(breach_until_alarm, every=0.5)


def test_function_is_not_called_when_cloudwatch_lacks_permission(stacks: StackDriver) -> None:
    stack = deploy(stacks, template(stacks, permission=False))

    put(stacks, 1)

    eventually(lambda: "ALARM" in states(stacks, stack))
    log = stacks.aws.state_dir / "emulator.log"
    eventually(lambda: "has no AWS::Lambda::Permission" in log.read_text())
    assert events(stacks, stack) == []


def test_state_change_of_an_alarm_matches_a_rule(stacks: StackDriver) -> None:
    made = template(stacks, AlarmActions=[])
    made["Resources"]["Rule"] = {
        "Type": "AWS::Events::Rule",
        "Properties": {
            "EventPattern": {
                "source": ["aws.cloudwatch"],
                "detail-type": ["CloudWatch Alarm State Change"],
                "resources": [{"Fn::GetAtt": ["Alarm", "Arn"]}],
                "detail": {"state": {"value": ["ALARM"]}},
            },
            "Targets": [{"Id": "Recorder", "Arn": {"Fn::GetAtt": ["Recorder", "Arn"]}}],
        },
    }
    made["Resources"]["Permission"]["Properties"].update(
        Principal="events.amazonaws.com", SourceArn={"Fn::GetAtt": ["Rule", "Arn"]}
    )
    stack = deploy(stacks, made)

    put(stacks, 1)

    event = eventually(lambda: events(stacks, stack))[0]
    assert event["detail"]["alarmName"] == stack.outputs["Alarm"]
    assert event["detail"]["state"]["value"] == "ALARM"


def test_alarm_publishes_to_its_topic(stacks: StackDriver) -> None:
    sns, sqs = stacks.aws.client("sns"), stacks.aws.client("sqs")
    name = f"alarms-{uuid.uuid4().hex[:8]}"
    topic = sns.create_topic(Name=name)["TopicArn"]
    queue = sqs.create_queue(QueueName=name)["QueueUrl"]
    arn = let_send(stacks.aws, "sns.amazonaws.com", queue)
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    stack = deploy(stacks, template(stacks, AlarmActions=[topic]))

    put(stacks, 1)

    def messages() -> Any:
        return sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=1).get("Messages")

    message = json.loads(json.loads(eventually(messages)[0]["Body"])["Message"])
    assert message["AlarmName"] == stack.outputs["Alarm"]
    assert message["NewStateValue"] == "ALARM"
