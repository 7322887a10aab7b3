"""The alarms of the stack that ring."""

from collections.abc import Mapping
from typing import Any

from shared.aws.named_errors import named_errors

_MOST_ALARMS = 500


class CloudWatchAlarms:
    """Those that notify the stack's topic: another stack's name may begin with this one's.

    The alarms that wake the scaler when tasks are queued notify no topic.
    """

    def __init__(self, client: Any, stack_name: str, topic_arn: str) -> None:
        self._client = client
        self._prefix = f"{stack_name}-"
        self._topic_arn = topic_arn

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
            if self._topic_arn in alarm["AlarmActions"]
        }
