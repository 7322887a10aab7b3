"""Start a command, and answer for it when its task has stopped.

The two halves are different calls of the function, minutes or an hour apart, and each of them may
happen more than once (Lambda repeats, EventBridge delivers at least once). So:

1. The request is stored before the task starts: no task can stop without a record to answer from.
2. The request's id is the task's client token: repeating the start starts no second task.
3. The answer is sent first and marked as sent afterwards. A crash between the two sends the same
   answer twice, which CloudFormation ignores. The other order would lose it, and CloudFormation
   would wait for the rest of the hour.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

from run_airflow_command.command import CommandRecord, checked_command
from run_airflow_command.outcome import answer_for
from run_airflow_command.ports import CommandLogs, CommandStore, TaskRunner
from shared.custom_resource import Answer, AnswerChannel, CustomResourceRequest, send_answer
from shared.fargate import StoppedTask, task_id


@dataclass(frozen=True)
class StartedCommand:
    """Where to look for a command that was started."""

    request_id: str
    task_arn: str
    log_group: str
    log_stream: str


class Completion(Enum):
    """What became of the news that a task has stopped."""

    COMPLETED = auto()
    ALREADY_COMPLETED = auto()
    NOT_OURS = auto()


@dataclass(frozen=True)
class CompletedCommand:
    completion: Completion
    record: CommandRecord | None = None
    answer: Answer | None = None


def _nothing(task: StoppedTask) -> None:
    """Most commands leave nothing behind."""


@dataclass(frozen=True)
class Commands:
    runner: TaskRunner
    store: CommandStore
    logs: CommandLogs
    channel: AnswerChannel
    # What a task has left to be done when it has ended. Before the answer, because CloudFormation
    # goes on with it; also when it was answered, because a command may outlive its answer.
    before_answer: Callable[[StoppedTask], None] = _nothing

    def start(
        self,
        command: object,
        request_id: str,
        task_definition_arn: str,
        request: CustomResourceRequest | None = None,
    ) -> StartedCommand:
        record = CommandRecord(request_id, checked_command(command), request)
        self.store.save(record)
        task_arn = self.runner.run(record, task_definition_arn)
        log_group, log_stream = self.logs.location(task_id(task_arn))
        return StartedCommand(request_id, task_arn, log_group, log_stream)

    def complete(self, task: StoppedTask) -> CompletedCommand:
        """Answer for a stopped task, unless that was done or nobody asked for it."""
        if not task.started_by:
            return CompletedCommand(Completion.NOT_OURS)
        record = self.store.find(task.started_by)
        if record is None:
            return CompletedCommand(Completion.NOT_OURS)
        self.before_answer(task)
        if self.store.is_completed(record.request_id):
            return CompletedCommand(Completion.ALREADY_COMPLETED, record)
        answer = answer_for(task, () if task.succeeded else self.logs.tail(task.id))
        if record.request is not None:
            send_answer(record.request, answer, self.channel)
        first = self.store.complete(record.request_id, task.exit_code, answer.reason)
        completion = Completion.COMPLETED if first else Completion.ALREADY_COMPLETED
        return CompletedCommand(completion, record, answer)
