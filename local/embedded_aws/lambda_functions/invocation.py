"""Asynchronous invocations by other services, with the permission that AWS requires.

On AWS a missing AWS::Lambda::Permission shows only in that nothing happens. Here a service without
permission cannot invoke the function either, and the log says so.
"""

import logging
from typing import Any

from ministack.services import lambda_svc

from embedded_aws.authorization import services

logger = logging.getLogger("embedded_aws.lambda_functions")


def function_record(reference: str) -> dict[str, Any] | None:
    """ministack's record of a function by name, ARN, version or alias; None if there is none."""
    function, config, _name = lambda_svc._get_func_record_for_ref(reference)
    if function is None or config is None:
        return None
    record: dict[str, Any] = lambda_svc._execution_record_for_config(function, config)
    return record


def invoke_for_service(reference: str, event: Any, *, principal: str, source: str) -> None:
    """Invoke as the service `principal` does for its resource `source`, with two retries."""
    record = function_record(reference)
    if record is None:
        logger.error("%s: there is no function %s", source, reference)
    elif not services.may_invoke(_arn_of(record), principal, source):
        logger.error("%s: %s has no AWS::Lambda::Permission for %s", source, reference, principal)
    else:
        lambda_svc.invoke_async_with_retry(record, event)


def invoke_for_schedule(reference: str, event: Any, *, role_arn: str, schedule: str) -> None:
    """Invoke as EventBridge Scheduler does: with the role of the schedule, with two retries."""
    record = function_record(reference)
    if record is None:
        logger.error("%s: there is no function %s", schedule, reference)
    elif not services.may_call_for_schedule(role_arn, schedule, _arn_of(record)):
        logger.error("%s: %s must not be called with %s", schedule, reference, role_arn)
    else:
        lambda_svc.invoke_async_with_retry(record, event)


def _arn_of(record: dict[str, Any]) -> str:
    return str((record.get("config") or record)["FunctionArn"])
