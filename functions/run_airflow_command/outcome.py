"""How a command ended, and how that is told."""

import re
from collections.abc import Sequence

from run_airflow_command.ports import Outcome
from shared.custom_resource import Answer
from shared.fargate import StoppedTask

_HIDDEN = "***"
_SECRETS = (
    # user:password@ in a URL, whatever characters the password has: all up to the last @.
    (re.compile(r"://[^\s'\"]*@"), f"://{_HIDDEN}@"),
    # What signs a presigned URL, such as CloudFormation's.
    (
        re.compile(r"(?i)(X-Amz-(?:Signature|Credential|Security-Token)=)[^\s&'\"]+"),
        rf"\1{_HIDDEN}",
    ),
    # A JSON Web Token, and what a Fernet key has encrypted.
    (re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]*"), _HIDDEN),
    (re.compile(r"\bgAAAAA[\w=-]{20,}"), _HIDDEN),
    # NAME_PASSWORD=…, "secret_key": "…": the value ends with the word. Not `secret: …`, which is
    # how ECS names the secret that it could not read.
    (
        re.compile(
            r"(?i)((?:password|passwd|pwd|secret(?:[_-]?key)?|api[_-]?key|fernet[_-]?key|token"
            r"|access[_-]?key)['\"]?(?:(?<=['\"])\s*:|\s*=)\s*['\"]?)[^\s'\",;&]+"
        ),
        rf"\1{_HIDDEN}",
    ),
    (re.compile(r"(?i)(--(?:conn-)?password[ =]+)\S+"), rf"\1{_HIDDEN}"),
)


def outcome_of(task: StoppedTask, log_lines: Sequence[str]) -> Outcome:
    return Outcome(task.exit_code, _reason(task), [redacted(line) for line in log_lines])


def answer_for(task: StoppedTask, log_lines: Sequence[str]) -> Answer:
    """The answer to CloudFormation; the reason starts with the cause and ends with the log."""
    if task.succeeded:
        return Answer("SUCCESS", data={"ExitCode": "0", "TaskArn": task.arn})
    outcome = outcome_of(task, log_lines)
    reason = outcome.reason
    if outcome.log_tail:
        reason += " Last log lines:\n" + "\n".join(outcome.log_tail)
    return Answer("FAILED", reason)


def _reason(task: StoppedTask) -> str:
    if task.exit_code is None:
        sentences = [f"The task {task.id} did not start"]
    else:
        sentences = [f"The command ended with exit code {task.exit_code} in task {task.id}"]
    sentences += [reason for reason in (task.stopped_reason, task.container_reason) if reason]
    return redacted(". ".join(sentence.rstrip(".") for sentence in sentences) + ".")


def redacted(text: str) -> str:
    """The text without whatever looks like a secret."""
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text
