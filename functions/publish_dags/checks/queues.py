"""Which queues the tasks of a file certainly ask for, and which of them cannot be used there.

Both are warnings: the other tasks of the file run.
"""

import ast
from collections.abc import Iterator, Mapping, Sequence

from contracts.queues import lies_in_folder_of
from publish_dags.checks.problems import Problem, shortened
from publish_dags.checks.task_calls import keywords_of_tasks, text_of


def literal_queues(tree: ast.Module) -> dict[str, int]:
    """Each queue that a task of the file certainly asks for, with the first line."""
    found: dict[str, int] = {}
    for keywords in keywords_of_tasks(tree):
        # Another executor may have queues of its own.
        queue = None if "executor" in keywords else text_of(keywords.get("queue"))
        if queue is not None:
            line = keywords["queue"].lineno
            found[queue] = min(line, found.get(queue, line))
    return dict(sorted(found.items(), key=lambda each: each[1]))


def unknown_queues(
    asked: Mapping[str, Mapping[str, int]], queues: Sequence[str]
) -> Iterator[Problem]:
    """A warning for each queue that the stack does not have, by file and line."""
    known = ", ".join(queues)
    for path, names in sorted(asked.items()):
        for name, line in sorted(names.items(), key=lambda each: each[1]):
            if name not in queues:
                yield Problem(
                    path,
                    f"uses the queue {shortened(name)!r}, which the stack does not have (the "
                    f"queues are {known})",
                    line,
                )


def foreign_queues(
    asked: Mapping[str, Mapping[str, int]], isolated: Sequence[str]
) -> Iterator[Problem]:
    """A warning for each isolated queue that a DAG file outside its folder asks for."""
    for path, names in sorted(asked.items()):
        for name, line in sorted(names.items(), key=lambda each: each[1]):
            if name in isolated and not lies_in_folder_of(name, path):
                yield Problem(
                    path,
                    f"uses the isolated queue {name!r}, whose workers run only the DAG files in "
                    f"{name}/: these tasks will fail",
                    line,
                )
