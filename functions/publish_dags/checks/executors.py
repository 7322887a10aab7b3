"""Which executors the tasks of a file certainly name, and which of them the stack does not have.

Airflow cannot load a DAG with an executor that it does not know: it reports an import error. The
warning comes earlier, and says what to change.
"""

import ast
from collections.abc import Iterator, Mapping, Sequence

from contracts.names import EXECUTORS
from publish_dags.checks.problems import Problem, shortened
from publish_dags.checks.task_calls import keywords_of_tasks, text_of


def literal_executors(tree: ast.Module) -> dict[str, int]:
    """Each executor that a task of the file certainly names, with the first line."""
    found: dict[str, int] = {}
    for keywords in keywords_of_tasks(tree):
        name = text_of(keywords.get("executor"))
        if name is not None:
            line = keywords["executor"].lineno
            found[name] = min(line, found.get(name, line))
    return dict(sorted(found.items(), key=lambda each: each[1]))


def unknown_executors(
    named: Mapping[str, Mapping[str, int]], words: Sequence[str]
) -> Iterator[Problem]:
    """A warning for each executor that the stack does not have, by file and line.

    `words` are those of the parameter Executors.
    """
    known = {name for word in words for name in _names_of(word)}
    listed = ", ".join(EXECUTORS[word][0] for word in words)
    for path, names in sorted(named.items()):
        for name, line in sorted(names.items(), key=lambda each: each[1]):
            if name in known:
                continue
            word = next((each for each in EXECUTORS if name in _names_of(each)), None)
            advice = f"add {word} to the parameter Executors" if word else "name one of these"
            yield Problem(
                path,
                f"names the executor {shortened(name)!r}, which the stack does not have (it has "
                f"{listed}): {advice}, or Airflow cannot load the DAG",
                line,
            )


def _names_of(word: str) -> Iterator[str]:
    """The names by which Airflow finds an executor: its alias, its class, the path of its class."""
    name, path = EXECUTORS[word]
    yield name
    if path:
        yield path
        yield path.rpartition(".")[2]
