"""The output of command tasks in CloudWatch Logs."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from aws_lambda_powertools import Logger

from contracts.names import COMMAND
from shared.aws.named_errors import named_errors
from shared.errors import AwsCallError

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient

_STREAM_PREFIX = "command"
_LINES = 30


class CloudWatchCommandLogs:
    def __init__(self, client: "CloudWatchLogsClient", log_group: str, logger: Logger) -> None:
        self._client = client
        self._log_group = log_group
        self._logger = logger

    def location(self, task_id: str) -> tuple[str, str]:
        return self._log_group, f"{_STREAM_PREFIX}/{COMMAND}/{task_id}"

    def tail(self, task_id: str) -> Sequence[str]:
        log_group, log_stream = self.location(task_id)
        try:
            with named_errors("read the command's log"):
                response = self._client.get_log_events(
                    logGroupName=log_group,
                    logStreamName=log_stream,
                    limit=_LINES,
                    startFromHead=False,
                )
        except AwsCallError:
            # An answer without the log is better than none. A task that never ran has no stream.
            self._logger.warning(
                "Could not read the command's log", log_stream=log_stream, exc_info=True
            )
            return ()
        return [event["message"].rstrip() for event in response["events"]]
