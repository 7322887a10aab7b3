"""How a command ended: the result that is stored, and the answer to CloudFormation."""

from collections.abc import Sequence

from run_airflow_command.commands.redaction import redacted
from run_airflow_command.ports import Outcome
from shared.cloudformation.custom_resource import Answer
from shared.fargate import StoppedTask


def outcome_of(task: StoppedTask, log_lines: Sequence[str]) -> Outcome:
    return Outcome(task.exit_code, _reason(task), [redacted(line) for line in log_lines])


def answer_for(task: StoppedTask, log_lines: Sequence[str]) -> Answer:
    """The answer to CloudFormation. The reason starts with the cause and ends with the log."""
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
