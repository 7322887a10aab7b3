"""Lambda functions as targets of EventBridge rules and schedules.

AWS invokes them asynchronously, with two retries, and for a rule only with a permission for
events.amazonaws.com (a schedule has its role). ministack 1.5.33 tries once and checks nothing.
"""

import contextvars
import json
from collections.abc import Mapping
from typing import Any

from ministack.services import eventbridge, lambda_svc

from embedded_aws.lambda_functions.invocation import function_record, invoke_for_service
from embedded_aws.settings import Settings

RULE_PRINCIPAL = "events.amazonaws.com"

# The ARN of the rule that is being processed; empty for a schedule. ministack creates and sends the
# payload of a target in one function, which does not pass the rule on.
_rule_arn: contextvars.ContextVar[str] = contextvars.ContextVar("rule_arn", default="")


def install(settings: Settings) -> None:
    invoke_target = eventbridge._invoke_target

    def invoke_for(
        target: Mapping[str, Any],
        event: Mapping[str, Any],
        rule: Mapping[str, Any],
        view: Any = None,
    ) -> None:
        is_schedule = event.get("Source") == "aws.scheduler"
        token = _rule_arn.set("" if is_schedule else str(rule.get("Arn") or rule.get("Name")))
        try:
            invoke_target(target, event, rule, view)
        finally:
            _rule_arn.reset(token)

    eventbridge._invoke_target = invoke_for
    eventbridge._dispatch_to_lambda = _send_to_function


def _send_to_function(function_arn: str, payload: str) -> None:
    event = json.loads(payload)
    rule_arn = _rule_arn.get()
    if rule_arn:
        invoke_for_service(function_arn, event, principal=RULE_PRINCIPAL, source=rule_arn)
        return
    record = function_record(function_arn)
    if record is not None:
        lambda_svc.invoke_async_with_retry(record, event)
