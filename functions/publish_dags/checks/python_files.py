"""Problems of a Python file, found without running it."""

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
    """The result of checking one file."""

    problem: Problem | None = None
    dags: Mapping[str, int] = field(default_factory=dict)
    imports: Mapping[str, int] = field(default_factory=dict)


def is_python(path: str) -> bool:
    return path.endswith(".py")


def examine_source(path: str, source: bytes) -> Finding:
    """Compile a Python file and look for DAGs in it, without importing or running it.

    The function has the same Python as the image, so a file that compiles here compiles there.
    """
    try:
        # Compiled from the tree, so that the file is parsed only once.
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
    """The heuristic by which Airflow decides whether to parse a file."""
    lowered = source.lower()
    return b"dag" in lowered and b"airflow" in lowered


def doubled_dags(files: Mapping[str, Mapping[str, int]]) -> list[Problem]:
    """DAG ids that two files define: Airflow would show the one that it parsed last."""
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
    """Keep SyntaxWarnings about users' DAGs, such as invalid escapes, out of the function's log.

    Enter it once around all compiling: warning filters belong to the whole process.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
