"""How a command ended, and how that is told."""

import re
from collections.abc import Sequence

from shared.custom_resource import Answer
from shared.fargate import StoppedTask

# user:password@ in a URL, whatever characters the password has: all up to the last @.
_CREDENTIALS = re.compile(r"://[^\s'\"]*@")


def answer_for(task: StoppedTask, log_lines: Sequence[str]) -> Answer:
    """The answer to CloudFormation; the reason starts with the cause and ends with the log."""
    if task.succeeded:
        return Answer("SUCCESS", data={"ExitCode": "0", "TaskArn": task.arn})
    if task.exit_code is None:
        sentences = [f"The task {task.id} did not start"]
    else:
        sentences = [f"The command ended with exit code {task.exit_code} in task {task.id}"]
    sentences += [reason for reason in (task.stopped_reason, task.container_reason) if reason]
    reason = ". ".join(sentence.rstrip(".") for sentence in sentences) + "."
    if log_lines:
        reason += " Last log lines:\n" + "\n".join(log_lines)
    return Answer("FAILED", redacted(reason))


def redacted(text: str) -> str:
    """The text without the credentials of any URL in it."""
    return _CREDENTIALS.sub("://***@", text)
