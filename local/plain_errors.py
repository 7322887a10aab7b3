"""The last stop of an error: one sentence and the file with its details, never a traceback.

Every Python program that the Makefile starts runs inside `plain_errors`; one that does not call it
is started through this file:

    python local/plain_errors.py MODULE [ARGUMENT ...]

It needs the standard library only, because the first of these programs installs everything else.
LOCAL_DEBUG=1 shows the traceback as well.
"""

from __future__ import annotations

import os
import runpy
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

DEBUG = "LOCAL_DEBUG"
# Types by name: their libraries may not be installed yet.
_NO_ANSWER = ("Timeout", "ConnectionError", "HTTPClientError", "TimeoutError")


@contextmanager
def plain_errors(
    expected: tuple[type[Exception], ...] = (), log: Callable[[], Path] | None = None
) -> Iterator[None]:
    """Run a program's main function.

    Args:
        expected: errors whose text is a sentence for the user, and all that the user needs.
        log: returns the file for the traceback of any other error; None: one in the system's
            folder for temporary files.
    """
    try:
        yield
    except KeyboardInterrupt:
        sys.exit("\nInterrupted: run the same command again to continue.")
    except BrokenPipeError:
        # The reader, for example `head`, has what it wanted. Nothing is left to flush.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except expected as error:
        _show_traceback()
        sys.exit(f"\n{error}")
    except Exception as error:
        _show_traceback()
        sys.exit(f"\n{_sentence(error)}\n{_where_to_look(log)}")


def _sentence(error: Exception) -> str:
    first_line = (str(error).strip().splitlines() or ["no further text"])[0]
    names = {each.__name__ for each in type(error).__mro__}
    if names.intersection(_NO_ANSWER):
        return (
            f"A service of this machine did not answer in time: {first_line}. The machine may be "
            "busy: run the same command again."
        )
    if isinstance(error, OSError) and error.strerror:
        place = f": {error.filename}" if error.filename else ""
        return f"The operating system refused something: {error.strerror}{place}."
    return f"An unexpected error ended this command: {type(error).__name__}: {first_line}"


def _where_to_look(log: Callable[[], Path] | None) -> str:
    path = Path(tempfile.gettempdir(), "airflow-on-fargate-error.log")
    try:
        if log is not None:
            path = log()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(traceback.format_exc())
    except Exception:
        return f"Set {DEBUG}=1 to see the details."
    return f"Details are in {path}; with {DEBUG}=1 they are shown here."


def _show_traceback() -> None:
    if os.environ.get(DEBUG):
        traceback.print_exc()


if __name__ == "__main__":
    # As `python -m MODULE` would: from the current folder, with the module's own arguments.
    sys.argv = sys.argv[1:]
    sys.path[0] = os.getcwd()
    with plain_errors():
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
