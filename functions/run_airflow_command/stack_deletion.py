"""Stop all commands when the stack is deleted, or its creation is rolled back.

Cluster, network interfaces and roles cannot be deleted while a task runs, and no other resource of
the stack knows about a command that a direct call has started.
"""

from collections.abc import Callable

from run_airflow_command.ports import TaskRunner
from shared.cloudformation.custom_resource import CustomResourceRequest

_POLL_SECONDS = 3.0


class CommandsRemainError(Exception):
    """Commands did not stop in time."""


def must_stop_commands(request: CustomResourceRequest) -> bool:
    """Whether no command may run any longer, so that CloudFormation can delete the rest.

    Either the stack is deleted, and not only one command in its template: the migration is created
    first and deleted last, and only it has a CommandOnRollback. Or CloudFormation deletes a command
    that it has cancelled, because another resource failed meanwhile. It has no answer to the Create
    then, and makes up a physical id; answers here have the logical id.
    """
    if request.request_type != "Delete":
        return False
    was_cancelled = request.physical_resource_id != request.logical_resource_id
    return was_cancelled or "CommandOnRollback" in request.properties


def stop_all(
    runner: TaskRunner, remaining_seconds: Callable[[], float], sleep: Callable[[float], None]
) -> int:
    """Stop every command and wait until all have stopped; returns how many. May be repeated."""
    stopped: set[str] = set()
    while remaining := runner.remaining():
        # In every round, because a call that began before may have started another task.
        for task_arn in remaining:
            if task_arn not in stopped:
                runner.stop(task_arn, "The stack is being deleted")
                stopped.add(task_arn)
        if remaining_seconds() < _POLL_SECONDS:
            raise CommandsRemainError(
                f"{len(remaining)} commands did not stop in time, among them {remaining[0]}: wait "
                "until they have stopped, and delete the stack again"
            )
        sleep(_POLL_SECONDS)
    return len(stopped)
