"""Which packages the files of a release import, and which of them the image does not have.

Only imports that certainly run when the file is imported are counted: an import in a function,
under a condition or in a `try` may be meant to fail. Only files that Airflow parses, and the
modules that they import, are looked at: a script for Glue or dbt runs elsewhere. A missing package
is a warning, because only Airflow can tell for certain.
"""

import ast
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath

from publish_dags.checks.problems import Problem

# The function has the same Python as the image, and the image has Airflow.
_ALWAYS_THERE = sys.stdlib_module_names | {"airflow"}
_PROVIDERS = "airflow.providers."
# Packages that contain providers: `airflow.providers.apache.spark` is one of many in `apache`.
_GROUPS = frozenset({"apache", "atlassian", "cncf", "common", "dbt", "microsoft"})


def certain_imports(tree: ast.Module) -> dict[str, int]:
    """What the file certainly imports, with the line: `lib.tables` or `lib.tables.ORDERS`.

    A provider is named by its package in Airflow, such as `airflow.providers.amazon`.
    """
    found: dict[str, int] = {}
    for statement in tree.body:
        for module in _modules(statement):
            name = _provider(module) or module
            if name.partition(".")[0] not in _ALWAYS_THERE or name.startswith(_PROVIDERS):
                found.setdefault(name, statement.lineno)
    return found


def _modules(statement: ast.stmt) -> Iterator[str]:
    if isinstance(statement, ast.Import):
        yield from (alias.name for alias in statement.names)
    elif isinstance(statement, ast.ImportFrom) and not statement.level and statement.module:
        yield from (f"{statement.module}.{alias.name}" for alias in statement.names)


def _provider(module: str) -> str | None:
    if not module.startswith(_PROVIDERS):
        return None
    names = module.removeprefix(_PROVIDERS).split(".")
    length = 2 if names[0] in _GROUPS else 1
    # A group alone is no provider.
    return _PROVIDERS + ".".join(names[:length]) if len(names) >= length else None


def modules_of(path: str) -> set[str]:
    """The names by which other files may import this one.

    They may begin with any folder of its path, not only the first: a DAG may have added one to
    sys.path.
    """
    *folders, name = PurePosixPath(path).parts
    stem = name.partition(".")[0]
    names = folders if stem == "__init__" else [*folders, stem]
    return {".".join(names[start:]) for start in range(len(names))}


def imported_at_parsing(
    imports: Mapping[str, Mapping[str, int]], parsed: Iterable[str]
) -> tuple[frozenset[str], frozenset[str]]:
    """The files that Airflow parses or that those import, and the modules that they import."""
    reached: set[str] = set()
    names: set[str] = set()
    left = {path for path in parsed if path in imports}
    others = {path: modules_of(path) for path in imports if path not in left}
    while left:
        reached |= left
        for path in left:
            names.update(*map(_with_packages, imports[path]))
        left = {path for path, modules in others.items() if not names.isdisjoint(modules)}
        for path in left:
            del others[path]
    return frozenset(reached), frozenset(names)


def _with_packages(name: str) -> Iterator[str]:
    """`a.b.c` and what is imported before it: `a.b` and `a`."""
    while name:
        yield name
        name = name.rpartition(".")[0]


def unresolved(
    imports: Mapping[str, Mapping[str, int]], paths: Iterable[str]
) -> dict[str, dict[str, int]]:
    """The packages, by file, that are not modules of the release, with the first line of each."""
    own: set[str] = set()
    for path in paths:
        parts = PurePosixPath(path)
        own.update(parts.parts[:-1], [parts.name.partition(".")[0]])
    left: dict[str, dict[str, int]] = {}
    for path, names in imports.items():
        for name, line in names.items():
            package = name if name.startswith(_PROVIDERS) else name.partition(".")[0]
            if package not in own:
                found = left.setdefault(path, {})
                found[package] = min(line, found.get(package, line))
    return left


def missing(imports: Mapping[str, Mapping[str, int]], environment: frozenset[str]) -> list[Problem]:
    """A warning for each package that the image lacks, by file and line."""
    # An image of an earlier version does not report its providers.
    knows_providers = any(name.startswith(_PROVIDERS) for name in environment)
    return [
        Problem(path, f"imports {name!r}, which the image does not have{_advice(name)}", line)
        for path, names in sorted(imports.items())
        for name, line in sorted(names.items(), key=lambda each: each[1])
        if name not in environment and (knows_providers or not name.startswith(_PROVIDERS))
    ]


def _advice(name: str) -> str:
    if not name.startswith(_PROVIDERS):
        return ""
    distribution = name.removeprefix(_PROVIDERS).replace(".", "-").replace("_", "-")
    return f" (apache-airflow-providers-{distribution})"
