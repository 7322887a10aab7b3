"""Lambda functions as targets of EventBridge rules and schedules.

AWS invokes them asynchronously, with two retries: for a rule with the function's permission for
events.amazonaws.com, for a schedule with its role. A rule sends to a topic or a queue only if their
policy lets it. ministack 1.5.33 tries once and checks nothing.
"""

import contextvars
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ministack.services import eventbridge

from embedded_aws.authorization import services
from embedded_aws.lambda_functions.invocation import invoke_for_schedule, invoke_for_service
from embedded_aws.settings import Settings

RULE_PRINCIPAL = "events.amazonaws.com"


@dataclass(frozen=True)
class _Source:
    """The rule or schedule that is being processed."""

    arn: str
    schedule_role: str = ""  # empty for a rule


# ministack creates and sends the payload of a target in one function, which does not pass the rule
# on.
_source: contextvars.ContextVar[_Source | None] = contextvars.ContextVar("source", default=None)


def install(settings: Settings) -> None:
    invoke_target = eventbridge._invoke_target

    def invoke_for(
        target: Mapping[str, Any],
        event: Mapping[str, Any],
        rule: Mapping[str, Any],
        view: Any = None,
    ) -> None:
        is_schedule = event.get("Source") == "aws.scheduler"
        role = str(target.get("RoleArn", "")) if is_schedule else ""
        token = _source.set(_Source(str(rule.get("Arn") or rule.get("Name")), role))
        try:
            invoke_target(target, event, rule, view)
        finally:
            _source.reset(token)

    eventbridge._invoke_target = invoke_for
    eventbridge._dispatch_to_lambda = _send_to_function
    _check("_dispatch_to_sns", services.may_publish)
    _check("_dispatch_to_sqs", services.may_send)


def _send_to_function(function_arn: str, payload: str) -> None:
    event = json.loads(payload)
    source = _source.get() or _Source("")
    if source.schedule_role:
        invoke_for_schedule(function_arn, event, role_arn=source.schedule_role, schedule=source.arn)
    else:
        invoke_for_service(function_arn, event, principal=RULE_PRINCIPAL, source=source.arn)


def _check(name: str, is_allowed: Callable[[str, str, str], bool]) -> None:
    send = getattr(eventbridge, name)

    def send_if_allowed(target: Any, *arguments: Any) -> None:
        source = _source.get() or _Source("")
        if is_allowed(str(target), RULE_PRINCIPAL, source.arn):
            send(target, *arguments)

    setattr(eventbridge, name, send_if_allowed)
