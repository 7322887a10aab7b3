"""What services do to each other: by the policy of the resource, or with a role."""

import json
import uuid
from typing import Any

import pytest

from ..conftest import EmbeddedAws, eventually
from ..roles import create_role, document_of
from ..stack_driver import EXECUTION_ROLE, Stack, StackDriver, deploy

SCHEDULER = "scheduler.amazonaws.com"
RECORDER = """
def handler(event, context):
    print("called")
"""


def function(stacks: StackDriver, **role: Any) -> dict[str, Any]:
    return {
        "Role": role or EXECUTION_ROLE,
        "LogGroup": {"Type": "AWS::Logs::LogGroup"},
        "Function": stacks.function(RECORDER, LoggingConfig={"LogGroup": {"Ref": "LogGroup"}}),
    }


def permission(principal: str, **more: Any) -> dict[str, Any]:
    return {
        "Type": "AWS::Lambda::Permission",
        "Properties": {
            "FunctionName": {"Ref": "Function"},
            "Action": "lambda:InvokeFunction",
            "Principal": principal,
            **more,
        },
    }


def was_called(stacks: StackDriver, stack: Stack) -> bool:
    return "called" in stacks.log_lines(stack.outputs["LogGroup"])


def refusal_of(aws: EmbeddedAws, *words: str) -> bool:
    """Whether a line of the record is a refusal and holds these words."""
    record = (aws.state_dir / "iam-decisions.jsonl").read_text()
    return any(
        '"allowed": false' in line and all(word in line for word in words)
        for line in record.splitlines()
    )


# ---- A rule ----


def rule_calls(stacks: StackDriver, source_arn: Any) -> Stack:
    source = f"contract.{uuid.uuid4().hex}"
    rule = {
        "Type": "AWS::Events::Rule",
        "Properties": {
            "EventPattern": {"source": [source]},
            "Targets": [{"Id": "Function", "Arn": {"Fn::GetAtt": ["Function", "Arn"]}}],
        },
    }
    allowed = permission("events.amazonaws.com", SourceArn=source_arn)
    resources = {**function(stacks), "Rule": rule, "Permission": allowed}
    found: Stack = deploy(stacks, resources, LogGroup={"Ref": "LogGroup"})
    entry = {"Source": source, "DetailType": "test", "Detail": "{}"}
    stacks.aws.client("events").put_events(Entries=[entry])
    return found


def test_rule_calls_the_function_that_permits_it(stacks: StackDriver) -> None:
    stack = rule_calls(stacks, {"Fn::GetAtt": ["Rule", "Arn"]})

    eventually(lambda: was_called(stacks, stack))


def test_permission_for_another_rule_does_not_count(stacks: StackDriver) -> None:
    stack = rule_calls(stacks, f"arn:aws:events:us-east-1:{'0' * 12}:rule/other")

    name = stacks.physical_id(stack, "Function")
    eventually(lambda: refusal_of(stacks.aws, "events.amazonaws.com", name))
    assert not was_called(stacks, stack)


@pytest.mark.parametrize("allowed", [True, False])
def test_rule_sends_to_a_queue_whose_policy_allows_it(stacks: StackDriver, allowed: bool) -> None:
    source = f"contract.{uuid.uuid4().hex}"
    url = stacks.aws.client("sqs").create_queue(QueueName=source.replace(".", "-"))["QueueUrl"]
    queue = f"arn:aws:sqs:us-east-1:{'0' * 12}:{source.replace('.', '-')}"
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": queue,
    }
    sqs = stacks.aws.client("sqs")
    if allowed:
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": document_of(statement)})
    events = stacks.aws.client("events")
    name = source.replace(".", "-")
    events.put_rule(Name=name, EventPattern=json.dumps({"source": [source]}))
    events.put_targets(Rule=name, Targets=[{"Id": "1", "Arn": queue}])

    events.put_events(Entries=[{"Source": source, "DetailType": "test", "Detail": "{}"}])

    if allowed:
        eventually(lambda: sqs.receive_message(QueueUrl=url).get("Messages"))
    else:
        eventually(lambda: refusal_of(stacks.aws, "sqs:SendMessage", queue))
        assert "Messages" not in sqs.receive_message(QueueUrl=url)


# ---- An alarm ----


def alarm_acts(stacks: StackDriver, resources: dict[str, Any], action: Any) -> Stack:
    metric = f"Depth-{uuid.uuid4().hex[:8]}"
    alarm = {
        "Type": "AWS::CloudWatch::Alarm",
        "Properties": {
            "Namespace": "Contract",
            "MetricName": metric,
            "Statistic": "Maximum",
            "Period": 60,
            "EvaluationPeriods": 1,
            "Threshold": 0,
            "ComparisonOperator": "GreaterThanThreshold",
            "AlarmActions": [action],
        },
    }
    outputs = {"LogGroup": {"Ref": "LogGroup"}} if "LogGroup" in resources else {}
    stack: Stack = deploy(stacks, {**resources, "Alarm": alarm}, **outputs)
    datum = [{"MetricName": metric, "Value": 1.0}]
    stacks.aws.client("cloudwatch").put_metric_data(Namespace="Contract", MetricData=datum)
    return stack


@pytest.mark.parametrize("own", [True, False])
def test_alarm_calls_the_function_that_permits_it(stacks: StackDriver, own: bool) -> None:
    source: Any = f"arn:aws:cloudwatch:us-east-1:{'0' * 12}:alarm:{'*' if own else 'other'}"
    allowed = permission(
        "lambda.alarms.cloudwatch.amazonaws.com", SourceAccount="0" * 12, SourceArn=source
    )
    resources = {**function(stacks), "Permission": allowed}

    stack = alarm_acts(stacks, resources, {"Fn::GetAtt": ["Function", "Arn"]})

    name = stacks.physical_id(stack, "Function")
    if own:
        eventually(lambda: was_called(stacks, stack))
    else:
        eventually(lambda: refusal_of(stacks.aws, "lambda.alarms.cloudwatch", name))
        assert not was_called(stacks, stack)


@pytest.mark.parametrize("forbidden", [True, False])
def test_alarm_publishes_to_a_topic_whose_policy_allows_it(
    stacks: StackDriver, forbidden: bool
) -> None:
    name = f"contract-{uuid.uuid4().hex[:8]}"
    sns, sqs = stacks.aws.client("sns"), stacks.aws.client("sqs")
    topic = sns.create_topic(Name=name)["TopicArn"]
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    queue = f"arn:aws:sqs:us-east-1:{'0' * 12}:{name}"
    delivering = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": queue,
    }
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": document_of(delivering)})
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue)
    if forbidden:  # a policy of its own replaces the default one, which allows the account
        only_events = {
            "Effect": "Allow",
            "Principal": {"Service": "events.amazonaws.com"},
            "Action": "sns:Publish",
            "Resource": topic,
        }
        sns.set_topic_attributes(
            TopicArn=topic, AttributeName="Policy", AttributeValue=document_of(only_events)
        )

    alarm_acts(stacks, {}, topic)

    if forbidden:
        eventually(lambda: refusal_of(stacks.aws, "cloudwatch.amazonaws.com", topic))
        assert "Messages" not in sqs.receive_message(QueueUrl=url)
    else:
        eventually(lambda: sqs.receive_message(QueueUrl=url).get("Messages"))


# ---- A schedule ----


def schedule_calls(
    stacks: StackDriver, *, action: str = "lambda:InvokeFunction", group: str = ""
) -> Stack:
    stack: Stack = deploy(
        stacks,
        function(stacks),
        LogGroup={"Ref": "LogGroup"},
        Function={"Fn::GetAtt": ["Function", "Arn"]},
    )
    name = f"contract-{uuid.uuid4().hex[:8]}"
    scheduler = stacks.aws.client("scheduler")
    scheduler.create_schedule_group(Name=name)
    source = f"arn:aws:scheduler:us-east-1:{'0' * 12}:schedule-group/{group or name}"
    condition = {"StringEquals": {"aws:SourceAccount": "0" * 12, "aws:SourceArn": source}}
    role = create_role(
        stacks.aws,
        SCHEDULER,
        condition=condition,
        Action=action,
        Resource=stack.outputs["Function"],
    )
    scheduler.create_schedule(
        Name=name,
        GroupName=name,
        ScheduleExpression="rate(1 minute)",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={"Arn": stack.outputs["Function"], "RoleArn": role},
    )
    return stack


def test_schedule_calls_with_its_role(stacks: StackDriver) -> None:
    stack = schedule_calls(stacks)

    eventually(lambda: was_called(stacks, stack), timeout=90)


def test_role_that_trusts_another_group_is_refused(stacks: StackDriver) -> None:
    scheduler = stacks.aws.client("scheduler")

    with pytest.raises(scheduler.exceptions.ValidationException, match="assume the role"):
        schedule_calls(stacks, group="other")


def test_schedule_does_not_call_what_its_role_does_not_allow(stacks: StackDriver) -> None:
    stack = schedule_calls(stacks, action="lambda:GetFunction")

    arn = stack.outputs["Function"]
    eventually(lambda: refusal_of(stacks.aws, "lambda:InvokeFunction", arn), timeout=90)
    assert not was_called(stacks, stack)


# ---- A function's log ----


def test_log_of_a_function_needs_its_role(stacks: StackDriver) -> None:
    trust = EXECUTION_ROLE["Properties"]["AssumeRolePolicyDocument"]  # type: ignore[index]
    mute = {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": trust}}
    stack: Stack = deploy(
        stacks,
        function(stacks, **mute),
        LogGroup={"Ref": "LogGroup"},
        Function={"Ref": "Function"},
    )

    stacks.aws.client("lambda").invoke(FunctionName=stack.outputs["Function"])

    assert refusal_of(stacks.aws, "logs:CreateLogStream", stack.outputs["LogGroup"])
    assert not was_called(stacks, stack)
