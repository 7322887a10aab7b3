"""Custom resources, with answers that may arrive long after the function has returned.

CloudFormation invokes the function of the ServiceToken asynchronously and then waits for the PUT
to the ResponseURL, for at most ServiceTimeout seconds (default: an hour), whatever the result of
the invocation. ministack 1.5.33 invokes it synchronously: the timeout starts only when the function
has returned, a crashed function is not retried, and a failed Create is never deleted.
"""

import json
import uuid
from typing import Any

from ministack.services import lambda_svc
from ministack.services.cloudformation import custom_resource

from embedded_aws.cloudformation.engine import Attributes, Created, FailedCreateError, Properties
from embedded_aws.cloudformation.operations.turns import current_turn, others_meanwhile
from embedded_aws.lambda_functions.invocation import function_record
from embedded_aws.settings import Settings

ANSWER_LIMIT_BYTES = 4096
DEFAULT_SERVICE_TIMEOUT_SECONDS = 3600


class CustomResourceError(RuntimeError):
    """The custom resource reported FAILED, did not answer, or gave an unusable answer."""


def install(settings: Settings) -> None:
    custom_resource.invoke_custom_resource = invoke_custom_resource


def invoke_custom_resource(
    request_type: str,
    logical_id: str,
    props: Properties,
    stack_name: str,
    stack_id: str,
    resource_type: str,
    physical_id: str | None = None,
    old_props: Properties | None = None,
) -> Created:
    """Invoke the function, wait for the answer, and return the physical id and the data."""
    function = _function(props)
    request_id = str(uuid.uuid4())
    token = str(uuid.uuid4())
    event: dict[str, Any] = {
        "RequestType": request_type,
        "RequestId": request_id,
        "StackId": stack_id,
        "ResponseURL": custom_resource._response_url(token),
        "ResourceType": resource_type,
        "LogicalResourceId": logical_id,
        "ServiceToken": props["ServiceToken"],
        "ResourceProperties": custom_resource._normalise_resource_properties(props),
    }
    if physical_id is not None:
        event["PhysicalResourceId"] = physical_id
    if old_props is not None:
        event["OldResourceProperties"] = custom_resource._normalise_resource_properties(old_props)

    # For a Create without an answer: its Delete needs an id.
    provisional_id = physical_id or f"{stack_name}-{logical_id}-{uuid.uuid4().hex[:12].upper()}"
    answered = custom_resource.register_token(token)
    try:
        timeout = _service_timeout(props)
        lambda_svc.invoke_async_with_retry(function, event)
        current_turn().when_cancelled(answered.set)
        with others_meanwhile():
            answered.wait(timeout)
    finally:
        answer = custom_resource._pending.pop(token)["result"]
    try:
        return _judge(answer, request_id, physical_id)
    except CustomResourceError as failure:
        if request_type != "Create":
            raise
        given_id = (answer or {}).get("PhysicalResourceId") or provisional_id
        raise FailedCreateError(str(failure), given_id) from None


def _function(props: Properties) -> dict[str, Any]:
    token = props.get("ServiceToken", "")
    function = function_record(token)
    if function is None:
        raise ValueError(f"ServiceToken {token} names no Lambda function of this account")
    return function


def _service_timeout(props: Properties) -> int:
    seconds = int(props.get("ServiceTimeout", DEFAULT_SERVICE_TIMEOUT_SECONDS))
    if not 1 <= seconds <= DEFAULT_SERVICE_TIMEOUT_SECONDS:
        raise ValueError(f"ServiceTimeout must be from 1 to 3600 seconds, not {seconds}")
    return seconds


def _judge(answer: dict[str, Any] | None, request_id: str, physical_id: str | None) -> Created:
    if answer is None:
        raise CustomResourceError(
            "CloudFormation did not receive a response from your Custom Resource. Please check "
            f"your logs for requestId [{request_id}]."
        )
    if len(json.dumps(answer).encode()) > ANSWER_LIMIT_BYTES:
        raise CustomResourceError("Response object is too long.")
    if answer.get("Status") != "SUCCESS":
        raise CustomResourceError(
            f"Received response status [{answer.get('Status')}] from custom resource. Message "
            f"returned: {answer.get('Reason')} (RequestId: {request_id})"
        )
    new_id = answer.get("PhysicalResourceId") or physical_id
    if not new_id:
        raise CustomResourceError("Invalid PhysicalResourceId")
    data: Attributes = answer.get("Data") or {}
    return new_id, data
