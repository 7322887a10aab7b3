"""What keeps a file out of a release, found without running any of it."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """Why a file is refused, and where in it."""

    path: str
    reason: str
    line: int | None = None

    def __str__(self) -> str:
        place = self.path if self.line is None else f"{self.path}, line {self.line}"
        return f"{place}: {self.reason}"


def is_python(path: str) -> bool:
    return path.endswith(".py")


def compile_problem(path: str, source: bytes) -> Problem | None:
    """What is wrong with a Python file; compiling neither imports nor runs it.

    The function's Python is the image's, so what compiles here compiles there.
    """
    try:
        compile(source, path, "exec", dont_inherit=True)
    except SyntaxError as error:
        return Problem(path, f"{type(error).__name__}: {error.msg}", error.lineno)
    except (ValueError, RecursionError, MemoryError) as error:
        # Null bytes, or an expression nested too deeply for the parser.
        return Problem(path, f"{type(error).__name__}: {error}")
    return None


@contextmanager
def without_syntax_warnings() -> Iterator[None]:
    """A stray backslash in somebody's DAG is no line of our log.

    To be entered once around all compiling: what it changes belongs to the whole process.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
