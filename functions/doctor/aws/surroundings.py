"""Alarms, the clock, the root stack, and Airflow's own check of the schema."""

import json
import re
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from doctor.ports import SchemaAnswer
from shared.aws.named_errors import named_errors

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient

_MOST_ALARMS = 500
_COMMAND = ["db", "check-migrations", "--migration-wait-timeout", "5"]
_POLL_SECONDS = 5
_ENDED = ("SUCCEEDED", "FAILED", "NOT_STARTED", "REFUSED")


class CloudWatchAlarms:
    def __init__(self, client: Any, stack_name: str) -> None:
        self._client = client
        self._prefix = f"{stack_name}-"
        # Another stack's name may begin with this one's, so the name of an alarm does not say whose
        # it is. Its topic does; and the alarms that wake the scaler notify no topic.
        self._topic = re.compile(
            rf"arn:[^:]+:sns:[^:]+:[^:]+:{re.escape(stack_name)}-NotificationsStack-.*"
        )

    def ringing(self) -> Mapping[str, str]:
        with named_errors("list the alarms"):
            pages = self._client.get_paginator("describe_alarms").paginate(
                AlarmNamePrefix=self._prefix,
                StateValue="ALARM",
                PaginationConfig={"MaxItems": _MOST_ALARMS},
            )
            found = [alarm for page in pages for alarm in page["MetricAlarms"]]
        return {
            alarm["AlarmName"]: alarm.get("AlarmDescription", "")
            for alarm in found
            if any(self._topic.fullmatch(action) for action in alarm.get("AlarmActions", ()))
        }


class AnswerClock:
    """The time in the header of an answer of S3."""

    def __init__(self, s3: Any, bucket: str) -> None:
        self._s3 = s3
        self._bucket = bucket

    def of_aws(self) -> datetime:
        with named_errors("ask S3 for the time"):
            answer = self._s3.list_objects_v2(Bucket=self._bucket, MaxKeys=1)
        return parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])


class RootStack:
    def __init__(self, client: "CloudFormationClient", name: str) -> None:
        self._client = client
        self._name = name

    def status(self) -> str:
        with named_errors("describe the stack"):
            return self._client.describe_stacks(StackName=self._name)["Stacks"][0]["StackStatus"]


class CommandSchema:
    """Through the function that runs commands, which starts at most one task for a request."""

    def __init__(
        self,
        client: Any,
        function_name: str,
        request_id: str,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._function_name = function_name
        self._request_id = request_id
        self._sleep = sleep
        self._monotonic = monotonic

    def check(self, seconds: float) -> SchemaAnswer:
        until = self._monotonic() + seconds
        answer = self._call({"command": _COMMAND, "requestId": self._request_id})
        while answer.get("status") not in _ENDED:
            if self._monotonic() > until:
                return SchemaAnswer(None, "")
            self._sleep(_POLL_SECONDS)
            answer = self._call({"requestId": self._request_id})
        # A task that never ran has no exit code.
        code = answer.get("exitCode")
        return SchemaAnswer(
            exit_code=1 if code is None else code,
            reason=answer.get("reason", answer.get("message", "")),
            refused=answer["status"] == "REFUSED",
        )

    def _call(self, event: dict[str, Any]) -> dict[str, Any]:
        with named_errors("call the function that runs commands"):
            answer = self._client.invoke(
                FunctionName=self._function_name, Payload=json.dumps(event).encode()
            )
            content = json.loads(answer["Payload"].read())
        if "FunctionError" in answer:
            return {"status": "REFUSED", "reason": str(content.get("errorMessage", content))}
        found: dict[str, Any] = content
        return found
