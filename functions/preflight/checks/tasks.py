"""The sizes of the components' tasks: <number>x<CPU>/<MiB>."""

import re
from collections.abc import Iterator

from preflight.parameters import Parameters
from shared.fargate_sizes import size_problem

COMPACT_CLASS = "micro"
# Scheduler, dag-processor and triggerer in one task.
MIN_COMPACT_MIB = 1024

_TASKS = re.compile(r"(\d{1,2})x(\d{3,5})/(\d{3,6})")
_PARAMETERS = ("ApiServerTasks", "SchedulerTasks", "DagProcessorTasks", "TriggererTasks")
# The class table's value for a component that has no task of its own.
_NO_TASK = ("", "none")


def task_problems(parameters: Parameters) -> Iterator[str]:
    compact = parameters.text("EnvironmentClass") == COMPACT_CLASS
    for name in _PARAMETERS:
        text = parameters.optional_text(name)
        # A compact environment has no task of these two; a Rule of the template refuses a size.
        if text in _NO_TASK or (compact and name in ("DagProcessorTasks", "TriggererTasks")):
            continue
        found = _TASKS.fullmatch(text)
        if not found:
            yield f"{name} is {text!r}: write <tasks>x<CPU>/<MiB>, such as 1x1024/2048."
            continue
        count, cpu, memory = (int(number) for number in found.groups())
        if problem := size_problem(cpu, memory):
            yield f"{name} is {text}. {problem}"
        if compact and name == "SchedulerTasks":
            yield from _compact_problems(count, memory)


def _compact_problems(count: int, memory: int) -> Iterator[str]:
    if count != 1:
        yield (
            f"SchedulerTasks asks for {count} tasks, but in EnvironmentClass {COMPACT_CLASS} the "
            "control plane is one task: set the number to 1, or choose EnvironmentClass small."
        )
    if memory < MIN_COMPACT_MIB:
        yield (
            f"SchedulerTasks asks for {memory} MiB, but in EnvironmentClass {COMPACT_CLASS} "
            "scheduler, dag-processor and triggerer share this task and need at least "
            f"{MIN_COMPACT_MIB}: raise it."
        )
