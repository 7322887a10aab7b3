"""The stack is being deleted: no command may go on.

Cluster, network interfaces and roles cannot be deleted under a running task, and a command that
somebody has started is known to no other resource of the stack.
"""

from collections.abc import Callable

from run_airflow_command.ports import TaskRunner
from shared.cloudformation.custom_resource import CustomResourceRequest

_POLL_SECONDS = 3.0


class CommandsRemainError(Exception):
    """Told to stop, and not gone in time."""


def is_stack_deletion(request: CustomResourceRequest) -> bool:
    """Whether this deletion is that of the stack, and not of one command in its template.

    The migration is the first command of a stack and the last to go; it is told its way back.
    """
    return request.request_type == "Delete" and "CommandOnRollback" in request.properties


def stop_all(
    runner: TaskRunner, remaining_seconds: Callable[[], float], sleep: Callable[[float], None]
) -> int:
    """Stop every command and wait until they are gone; returns how many. May be repeated."""
    told: set[str] = set()
    while remaining := runner.remaining():
        # Each time round: a call that had begun before may have started one more.
        for task_arn in remaining:
            if task_arn not in told:
                runner.stop(task_arn, "The stack is being deleted")
                told.add(task_arn)
        if remaining_seconds() < _POLL_SECONDS:
            raise CommandsRemainError(
                f"{len(remaining)} commands were told to stop but still run, among them "
                f"{remaining[0]}: wait until they have stopped, and delete the stack again"
            )
        sleep(_POLL_SECONDS)
    return len(told)
