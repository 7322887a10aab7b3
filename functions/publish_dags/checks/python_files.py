"""What keeps a file out of a release, found without running any of it."""

import ast
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from publish_dags.checks.dag_ids import dag_ids
from publish_dags.checks.imports import certain_imports
from publish_dags.checks.problems import Problem


@dataclass(frozen=True)
class Finding:
    """What a look into one file has shown."""

    problem: Problem | None = None
    dags: Mapping[str, int] = field(default_factory=dict)
    imports: Mapping[str, int] = field(default_factory=dict)


def is_python(path: str) -> bool:
    return path.endswith(".py")


def examine_source(path: str, source: bytes) -> Finding:
    """Compile a Python file and look for DAGs in it; neither imports nor runs it.

    The function's Python is the image's, so what compiles here compiles there.
    """
    try:
        # From the tree, so that the file is parsed once for both purposes.
        tree = ast.parse(source, path)
        compile(tree, path, "exec", dont_inherit=True)
    except SyntaxError as error:
        return Finding(Problem(path, f"{type(error).__name__}: {error.msg}", error.lineno))
    except (ValueError, RecursionError, MemoryError) as error:
        # Null bytes, or an expression nested too deeply for the parser.
        return Finding(Problem(path, f"{type(error).__name__}: {error}"))
    imports = certain_imports(tree)
    if not _might_hold_a_dag(source):
        return Finding(imports=imports)
    return Finding(dags=dag_ids(tree), imports=imports)


def _might_hold_a_dag(source: bytes) -> bool:
    """Airflow's own question before it parses a file."""
    lowered = source.lower()
    return b"dag" in lowered and b"airflow" in lowered


def doubled_dags(files: Mapping[str, Mapping[str, int]]) -> list[Problem]:
    """DAG ids that two files claim: Airflow would show whichever it happened to parse last."""
    first: dict[str, str] = {}
    problems = []
    for path in sorted(files):
        for dag_id, line in files[path].items():
            other = first.setdefault(dag_id, path)
            if other != path:
                place = f"{other}, line {files[other][dag_id]}"
                problems.append(Problem(path, f"the DAG {dag_id!r} is also in {place}", line))
    return problems


@contextmanager
def without_syntax_warnings() -> Iterator[None]:
    """A stray backslash in somebody's DAG is no line of our log.

    To be entered once around all compiling: what it changes belongs to the whole process.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
