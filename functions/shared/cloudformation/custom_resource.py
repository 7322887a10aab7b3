"""Custom resources: the request, the answer, and the guarantee that every request is answered.

CloudFormation waits up to an hour for a missing answer, and then rolls back. So every error in
`fulfil`, from a missing setting to a bug, becomes a FAILED answer. Work that continues elsewhere
returns `ANSWER_LATER` and is then responsible for the answer.

The response URL is a bearer secret: anyone who has it can answer. It is in no repr, no log and no
error message.
"""

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, Literal, Protocol

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.data_classes import CloudFormationCustomResourceEvent

from shared.cloudformation.answer_body import AnswerTooLargeError, response_body
from shared.errors import AccessDeniedError

RequestType = Literal["Create", "Update", "Delete"]
Status = Literal["SUCCESS", "FAILED"]

# The waits before the repetitions of work that was denied access: half a minute in all.
_DENIED_WAITS_SECONDS = (2, 3, 5, 10, 10)


@dataclass(frozen=True)
class CustomResourceRequest:
    """A request from CloudFormation."""

    request_type: RequestType
    request_id: str
    stack_id: str
    logical_resource_id: str
    resource_type: str
    physical_resource_id: str
    response_url: str = field(repr=False)
    properties: Mapping[str, Any]
    old_properties: Mapping[str, Any]

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> "CustomResourceRequest":
        parsed = CloudFormationCustomResourceEvent(dict(event))
        return cls(
            request_type=parsed.request_type,
            request_id=parsed.request_id,
            stack_id=parsed.stack_id,
            logical_resource_id=parsed.logical_resource_id,
            resource_type=parsed.resource_type,
            # The logical id is also the physical one. It never changes, because CloudFormation
            # treats a changed id as a replacement and sends a Delete for the old one.
            physical_resource_id=parsed.physical_resource_id or parsed.logical_resource_id,
            response_url=parsed.response_url,
            properties=parsed.resource_properties,
            old_properties=parsed.old_resource_properties,
        )

    def to_event(self) -> dict[str, Any]:
        """The request as CloudFormation sent it. Store it only where no one else can read it."""
        return {
            "RequestType": self.request_type,
            "RequestId": self.request_id,
            "StackId": self.stack_id,
            "LogicalResourceId": self.logical_resource_id,
            "ResourceType": self.resource_type,
            "PhysicalResourceId": self.physical_resource_id,
            "ResponseURL": self.response_url,
            "ResourceProperties": dict(self.properties),
            "OldResourceProperties": dict(self.old_properties),
        }


@dataclass(frozen=True)
class Answer:
    """The answer to CloudFormation. The user sees the reason when the status is FAILED."""

    status: Status
    reason: str = ""
    data: Mapping[str, str] = field(default_factory=dict)


class AnswerLater(Enum):
    """The type of ANSWER_LATER, so that a type checker can distinguish it from an answer."""

    ANSWER_LATER = "answer later"


ANSWER_LATER: Final = AnswerLater.ANSWER_LATER

SUCCESS: Final = Answer("SUCCESS")


class AnswerChannel(Protocol):
    """The way back to CloudFormation."""

    def put(self, url: str, body: bytes) -> None: ...


def is_custom_resource_event(event: Mapping[str, Any]) -> bool:
    return "RequestType" in event and "ResponseURL" in event


def send_answer(request: CustomResourceRequest, answer: Answer, channel: AnswerChannel) -> None:
    body = response_body(
        {
            "Status": answer.status,
            "PhysicalResourceId": request.physical_resource_id,
            "StackId": request.stack_id,
            "RequestId": request.request_id,
            "LogicalResourceId": request.logical_resource_id,
            "Data": dict(answer.data),
        },
        answer.reason,
    )
    channel.put(request.response_url, body)


def fulfil(
    request: CustomResourceRequest,
    work: Callable[[CustomResourceRequest], Answer | AnswerLater],
    channel: AnswerChannel,
    logger: Logger,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Do the work and answer once: with its result, or FAILED with the error that it raised.

    An error of the work is not raised again: Lambda would repeat a call that has been answered.
    An error of the answering is raised, so that Lambda repeats a call that has not been answered.

    The work must be repeatable: when it is denied access it is tried again for half a minute,
    because the function's role may have been created or changed a moment ago.
    """
    logger.append_keys(
        cloudformation_request_id=request.request_id,
        logical_resource_id=request.logical_resource_id,
    )
    try:
        answer = _with_new_permissions(request, work, logger, sleep)
    except Exception as error:
        logger.exception("The custom resource failed")
        answer = Answer("FAILED", f"{str(error) or type(error).__name__}{_where_to_look()}")
    if isinstance(answer, AnswerLater):
        return
    try:
        send_answer(request, answer, channel)
    except AnswerTooLargeError as error:
        answer = Answer("FAILED", str(error))
        send_answer(request, answer, channel)
    logger.info("Answered CloudFormation", status=answer.status, reason=answer.reason)


def _with_new_permissions(
    request: CustomResourceRequest,
    work: Callable[[CustomResourceRequest], Answer | AnswerLater],
    logger: Logger,
    sleep: Callable[[float], None],
) -> Answer | AnswerLater:
    # At a deletion the permissions are not new.
    for wait in _DENIED_WAITS_SECONDS if request.request_type != "Delete" else ():
        try:
            return work(request)
        except AccessDeniedError as error:
            logger.warning("Denied; trying again", reason=str(error), seconds=wait)
        sleep(wait)
    return work(request)


def _where_to_look() -> str:
    """The log of this call: the root stack's events name only the nested stack, not the reason."""
    group, stream = (os.environ.get(f"AWS_LAMBDA_LOG_{part}_NAME") for part in ("GROUP", "STREAM"))
    return f" (Log group {group}, log stream {stream})" if group and stream else ""
