"""RunTask's overrides for one command: its words, its size, its role."""

from dataclasses import dataclass
from typing import Any

from contracts.airflow_cli import ADMINISTERS
from contracts.names import COMMAND
from run_airflow_command.commands.airflow_cli import InvalidCommandError
from shared.fargate_sizes import size_problem

# RunTask's limit for the overrides as JSON.
MAX_OVERRIDES_CHARACTERS = 8192


@dataclass(frozen=True)
class TaskSize:
    """CPU units and memory in MiB for one command, in place of the task definition's."""

    cpu: int
    memory_mib: int

    @classmethod
    def checked(cls, cpu: object, memory_mib: object) -> "TaskSize | None":
        """None when neither is given: the task definition's size."""
        if cpu is None and memory_mib is None:
            return None
        if not (_is_number(cpu) and _is_number(memory_mib)):
            raise InvalidCommandError(
                'Give "cpu" and "memory" together and as numbers, in CPU units and MiB: '
                '{"cpu": 1024, "memory": 4096}'
            )
        size = cls(int(str(cpu)), int(str(memory_mib)))
        if problem := size_problem(size.cpu, size.memory_mib):
            raise InvalidCommandError(problem)
        return size


def _is_number(value: object) -> bool:
    return not isinstance(value, bool) and str(value).isdecimal()


def overrides(
    command: list[str], size: TaskSize | None = None, rotation_task_role_arn: str = ""
) -> dict[str, Any]:
    """RunTask's overrides. DescribeTasks shows them, so they must not contain a secret."""
    task = {"cpu": str(size.cpu), "memory": str(size.memory_mib)} if size else {}
    # The role that may read and write the stack's secrets.
    if command[0] in ADMINISTERS and rotation_task_role_arn:
        task["taskRoleArn"] = rotation_task_role_arn
    return {"containerOverrides": [{"name": COMMAND, "command": command}], **task}
