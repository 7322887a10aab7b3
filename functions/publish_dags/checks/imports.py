"""Which packages the files of a release import, and which of them the image does not have.

Only imports that certainly run when the file is imported are counted: an import in a function,
under a condition or in a `try` may be meant to fail. A missing package is a warning, because only
Airflow can tell for certain.
"""

import ast
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath

from publish_dags.checks.problems import Problem

# The function has the same Python as the image, and the image has Airflow.
_ALWAYS_THERE = sys.stdlib_module_names | {"airflow"}


def certain_imports(tree: ast.Module) -> dict[str, int]:
    """The top-level name of each package that the file certainly imports, with the line."""
    found: dict[str, int] = {}
    for statement in tree.body:
        for module in _modules(statement):
            name = module.partition(".")[0]
            if name and name not in _ALWAYS_THERE:
                found.setdefault(name, statement.lineno)
    return found


def _modules(statement: ast.stmt) -> Iterator[str]:
    if isinstance(statement, ast.Import):
        yield from (alias.name for alias in statement.names)
    elif isinstance(statement, ast.ImportFrom) and not statement.level and statement.module:
        yield statement.module


def unresolved(
    imports: Mapping[str, Mapping[str, int]], paths: Iterable[str]
) -> dict[str, dict[str, int]]:
    """The imports, by file, that are not modules of the release."""
    own: set[str] = set()
    for path in paths:
        parts = PurePosixPath(path)
        # Any folder, not only the top-level ones: a DAG may have added it to sys.path.
        own.update(parts.parts[:-1])
        own.add(parts.name.partition(".")[0])
    left = {
        path: {name: line for name, line in names.items() if name not in own}
        for path, names in imports.items()
    }
    return {path: names for path, names in left.items() if names}


def missing(imports: Mapping[str, Mapping[str, int]], environment: frozenset[str]) -> list[Problem]:
    """A warning for each package that the image lacks, by file and line."""
    return [
        Problem(path, f"imports {name!r}, which the image does not have", line)
        for path, names in sorted(imports.items())
        for name, line in sorted(names.items(), key=lambda each: each[1])
        if name not in environment
    ]
