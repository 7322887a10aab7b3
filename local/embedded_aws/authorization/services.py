"""What one service does to another, by the policy of the resource or with a role.

An alarm and a rule need the policy of the function, the topic or the queue, a schedule needs its
role, and a function's log needs the function's role. On AWS a missing permission shows only in that
nothing happens. Here nothing happens either, and the log and the record say why. ministack 1.5.33
checks none of it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ministack.core.responses import get_region
from ministack.services import lambda_svc, sns, sqs

from embedded_aws.authorization import engine, record, sessions
from embedded_aws.authorization.requests import keys, logs
from embedded_aws.authorization.requests.pass_role import FUNCTIONS, SCHEDULES
from embedded_aws.settings import ACCOUNT_ID

INVOKE = "lambda:InvokeFunction"


def may_invoke(function_arn: str, service: str, source_arn: str) -> bool:
    """Whether the policy of a function lets a service invoke it for one of its resources."""
    found = lambda_svc.function_policy_for_arn(function_arn)
    policies = function_policies(function_arn, found[0] if found else {})
    return _may(policies, service, INVOKE, function_arn, source_arn)


def may_publish(topic_arn: str, service: str, source_arn: str) -> bool:
    """Whether the policy of a topic lets a service publish to it."""
    owner = {"aws:SourceOwner": ACCOUNT_ID}
    key = keys.key_of_topic(topic_arn)
    return _may(
        topic_policies(topic_arn), service, "sns:Publish", topic_arn, source_arn, **owner
    ) and _may_encrypt(key, service, source_arn, **owner)


def may_send(queue_arn: str, service: str, source_arn: str) -> bool:
    """Whether the policy of a queue lets a service send messages to it."""
    key = keys.key_of_queue_arn(queue_arn)
    return _may(
        queue_policies(queue_arn), service, "sqs:SendMessage", queue_arn, source_arn
    ) and _may_encrypt(key, service, source_arn)


def function_policies(function_arn: str, policy: Mapping[str, Any]) -> engine.Policies:
    """The policy of a function: one statement for each AWS::Lambda::Permission."""
    name = function_arn.partition(":function:")[2].partition(":")[0]
    return engine.policies_of(f"function/{name}", {"policy": dict(policy)})


def topic_policies(topic_arn: str) -> engine.Policies:
    return _policies("topic", topic_arn, sns.topic_policy_for_arn(topic_arn))


def queue_policies(queue_arn: str) -> engine.Policies:
    return _policies("queue", queue_arn, sqs.queue_policy_for_arn(queue_arn))


def _policies(kind: str, arn: str, found: Sequence[Any] | None) -> engine.Policies:
    """The one policy of a topic or a queue, as ministack has found it."""
    name = arn.rsplit(":", 1)[-1]
    return engine.policies_of(f"{kind}/{name}", {"policy": (found and found[0]) or "{}"})


def _may(
    policies: engine.Policies, service: str, action: str, arn: str, source_arn: str, **more: str
) -> bool:
    """Whether the policies of a resource let a service do something to it for another resource."""
    context = {"aws:SourceArn": source_arn, "aws:SourceAccount": ACCOUNT_ID, **more}
    return record.is_allowed(engine.decide_by_resource(policies, service, action, arn, context))


def _may_encrypt(key: str, service: str, source_arn: str, **more: str) -> bool:
    """Whether a key's policy lets a service encrypt what it sends. It needs both actions."""
    if ":key/" not in key:
        return True
    policies = engine.policies_of(f"key/{key.rpartition('/')[2]}", {"policy": keys.policy_of(key)})
    actions = (keys.GENERATE, keys.DECRYPT)
    return all(_may(policies, service, action, key, source_arn, **more) for action in actions)


def may_call_for_schedule(role_arn: str, schedule_arn: str, function_arn: str) -> bool:
    """Whether a schedule's role trusts the scheduler and may invoke the function."""
    try:
        assert_schedule_role(role_arn, schedule_arn)
    except sessions.CannotAssumeRoleError:
        return False
    name = schedule_arn.rsplit("/", 1)[-1]
    return record.is_allowed(engine.decide_for_role(role_arn, name, INVOKE, function_arn))


def assert_schedule_role(role_arn: str, schedule_arn: str) -> None:
    """Check that the scheduler may assume a role for a schedule.

    Raises:
        CannotAssumeRoleError: it may not.
    """
    # EventBridge Scheduler names the group of the schedule, not the schedule.
    group = schedule_arn.replace(":schedule/", ":schedule-group/").rpartition("/")[0]
    sessions.assert_trust(role_arn, SCHEDULES, group)


def trusts_lambda(role_arn: str) -> bool:
    """Whether Lambda may assume a role for a function."""
    context = {"aws:SourceAccount": ACCOUNT_ID}
    return record.is_allowed(engine.decide_trust(role_arn, FUNCTIONS, context))


def may_write_log(config: Mapping[str, Any], group: str, stream: str) -> bool:
    """Whether Lambda may write a function's log with the function's role."""
    if engine.role_named(engine.role_name(config["Role"])) is None:
        # Deleted after the call. On AWS the lines were written while the function ran.
        return True
    arn = logs.stream_arn(get_region(), ACCOUNT_ID, group, stream)
    actions = ("logs:CreateLogStream", "logs:PutLogEvents")
    return all(
        record.is_allowed(
            engine.decide_for_role(config["Role"], config["FunctionName"], action, arn)
        )
        for action in actions
    )
