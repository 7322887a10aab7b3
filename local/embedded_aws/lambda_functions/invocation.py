"""Asynchronous invocations by other services, with the permission that AWS requires.

On AWS a missing AWS::Lambda::Permission shows only in that nothing happens. Here a service without
permission cannot invoke the function either, and the log says so.
"""

import json
import logging
from collections.abc import Mapping
from typing import Any

from ministack.services import lambda_svc

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
    elif not _has_permission(reference, principal):
        logger.error("%s: %s has no AWS::Lambda::Permission for %s", source, reference, principal)
    else:
        lambda_svc.invoke_async_with_retry(record, event)


def _has_permission(reference: str, principal: str) -> bool:
    function, _config, _name = lambda_svc._get_func_record_for_ref(reference)
    statements = (function.get("policy") or {}).get("Statement", [])
    return any(_allows(statement, principal) for statement in statements)


def _allows(statement: Mapping[str, Any], principal: str) -> bool:
    return statement.get("Effect", "Allow") == "Allow" and principal in json.dumps(
        statement.get("Principal")
    )
