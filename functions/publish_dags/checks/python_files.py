"""Problems of a Python file, found without running it."""

import ast
import io
import threading
import tokenize
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from contracts.release_manifest import MAX_NAME_BYTES
from publish_dags.checks.dag_ids import dag_ids
from publish_dags.checks.executors import literal_executors
from publish_dags.checks.imports import certain_imports
from publish_dags.checks.problems import Problem
from publish_dags.checks.queues import literal_queues

# Airflow writes a log file for each file that it parses, with this behind the file's name. The
# dag-processor of the image writes none, unless AirflowConfiguration sets `[logging]
# dag_processor_log_target` to `file`: a release has to work with each configuration.
_LOG_SUFFIX = ".log"

# Parsing and looking for DAGs takes up to 1,500 bytes of memory for each byte of source. This much
# fits into the function, beside a whole release, if files are parsed one at a time.
MAX_SOURCE_BYTES = 512 * 1024
_PARSING = threading.Lock()


@dataclass(frozen=True)
class Finding:
    """The result of checking one file. `parsed` says whether Airflow looks for DAGs in it."""

    problem: Problem | None = None
    dags: Mapping[str, int] = field(default_factory=dict)
    imports: Mapping[str, int] = field(default_factory=dict)
    queues: Mapping[str, int] = field(default_factory=dict)
    executors: Mapping[str, int] = field(default_factory=dict)
    parsed: bool = False


def is_python(path: str) -> bool:
    return path.endswith(".py")


def name_problem(path: str) -> Problem | None:
    """Why a DAG file must not have this name: Airflow cannot create a log file for it."""
    name = PurePosixPath(path).name
    if len(name.encode()) + len(_LOG_SUFFIX) <= MAX_NAME_BYTES:
        return None
    most = MAX_NAME_BYTES - len(_LOG_SUFFIX)
    reason = f"the name is longer than {most} bytes, so Airflow cannot create its log file"
    return Problem(path, reason)


def examine_source(path: str, source: bytes) -> Finding:
    """Compile a Python file and look for DAGs in it, without importing or running it.

    The function has the same Python as the image, so a file that compiles here compiles there.
    """
    parsed = might_hold_a_dag(source)
    if parsed and (problem := name_problem(path)):
        return Finding(problem, parsed=parsed)
    if len(source) > MAX_SOURCE_BYTES:
        reason = f"has {len(source):,} bytes; {MAX_SOURCE_BYTES:,} are allowed in a Python file"
        return Finding(Problem(path, reason), parsed=parsed)
    with _PARSING:
        return _examine(path, source, parsed)


def _examine(path: str, source: bytes, parsed: bool) -> Finding:
    try:
        # Compiled from the tree, so that the file is parsed only once.
        tree = ast.parse(source, path)
        compile(tree, path, "exec", dont_inherit=True)
        encoding = _decode(source)
        imports, queues = certain_imports(tree), literal_queues(tree)
        executors = literal_executors(tree)
        dags = dag_ids(tree) if parsed else {}
    except SyntaxError as error:
        problem = Problem(path, f"{type(error).__name__}: {error.msg}", error.lineno)
        return Finding(problem, parsed=parsed)
    except UnicodeDecodeError as error:
        return Finding(_undecodable(path, source, error), parsed=parsed)
    except (ValueError, RecursionError, MemoryError) as error:
        # Null bytes, or an expression nested too deeply for the parser or for the checks.
        return Finding(Problem(path, f"{type(error).__name__}: {error}"), parsed=parsed)
    if not parsed:
        return Finding(imports=imports, queues=queues, executors=executors)
    if dags and encoding != "utf-8":
        # Airflow stores the text of a file with DAGs, and reads it as UTF-8 whatever it declares.
        try:
            source.decode()
        except UnicodeDecodeError as error:
            return Finding(_undecodable(path, source, error), parsed=parsed)
    return Finding(dags=dags, imports=imports, queues=queues, executors=executors, parsed=parsed)


def might_hold_a_dag(source: bytes) -> bool:
    """The heuristic by which Airflow decides whether to parse a file."""
    lowered = source.lower()
    return b"airflow" in lowered and (b"dag" in lowered or b"asset" in lowered)


def _decode(source: bytes) -> str:
    """The file's encoding, if all of it can be decoded: the parser skips comments."""
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(source).readline)
    except SyntaxError:
        # Of a file that compiles: invalid UTF-8 in the first two lines.
        encoding = "utf-8"
    source.decode(encoding)
    return encoding.removesuffix("-sig")


def _undecodable(path: str, source: bytes, error: UnicodeDecodeError) -> Problem:
    line = source.count(b"\n", 0, error.start) + 1
    reason = f"the byte 0x{source[error.start]:02x} is not valid UTF-8: save the file as UTF-8"
    return Problem(path, f"UnicodeDecodeError: {reason}", line)


@contextmanager
def without_syntax_warnings() -> Iterator[None]:
    """Keep SyntaxWarnings about users' DAGs, such as invalid escapes, out of the function's log.

    Enter it once around all compiling: warning filters belong to the whole process.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
