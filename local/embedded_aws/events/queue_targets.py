"""Queues as targets of EventBridge rules: only with a queue policy that lets the rule send.

On AWS a missing statement shows only in that no message arrives. ministack 1.5.33 checks nothing.
Here no message arrives either, and the log says so.
"""

import contextvars
import logging
from collections.abc import Mapping
from typing import Any

from ministack.core.iam_evaluator import EvalContext, evaluate_resource_policy
from ministack.core.responses import get_account_id, get_region
from ministack.services import eventbridge, sqs

from embedded_aws.settings import Settings

_PRINCIPAL = "events.amazonaws.com"

# The ARN of the rule that is being processed; see events/targets.
_rule_arn: contextvars.ContextVar[str] = contextvars.ContextVar("rule_of_a_queue", default="")

logger = logging.getLogger("embedded_aws.events")


def install(settings: Settings) -> None:
    invoke_target = eventbridge._invoke_target
    send = eventbridge._dispatch_to_sqs

    def invoke_for(
        target: Mapping[str, Any],
        event: Mapping[str, Any],
        rule: Mapping[str, Any],
        view: Any = None,
    ) -> None:
        is_schedule = event.get("Source") == "aws.scheduler"
        token = _rule_arn.set("" if is_schedule else str(rule.get("Arn") or ""))
        try:
            invoke_target(target, event, rule, view)
        finally:
            _rule_arn.reset(token)

    def send_if_allowed(spec: Any, payload: str, parameters: Any = None) -> None:
        rule_arn = _rule_arn.get()
        if rule_arn and not _may_send(str(spec), rule_arn):
            logger.error(
                "%s: the policy of %s has no sqs:SendMessage for %s", rule_arn, spec, _PRINCIPAL
            )
            return
        send(spec, payload, parameters)

    eventbridge._invoke_target = invoke_for
    eventbridge._dispatch_to_sqs = send_if_allowed


def _may_send(queue_arn: str, rule_arn: str) -> bool:
    queue = sqs._queue_by_arn(queue_arn) or {"attributes": {}}
    context = EvalContext(
        principal_arn=_PRINCIPAL,
        principal_type="Service",
        principal_account=get_account_id(),
        action="sqs:SendMessage",
        resource_arn=queue_arn,
        region=get_region(),
        service_context={"aws:sourcearn": rule_arn, "aws:sourceaccount": get_account_id()},
    )
    policy = queue["attributes"].get("Policy")
    return bool(evaluate_resource_policy(policy, context, service=_PRINCIPAL).decision == "Allow")
