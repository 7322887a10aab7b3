"""uv, for images that run as local processes: the lock file's packages are not installed again.

    python uv_for_processes.py UV ARGUMENT ...

Such an image runs with the packages of `.venv/airflow`, which `make install` has installed from the
same lock file. To install, compile and pack them for a layer takes 40 s and 250 MB. Everything else
that the builder asks of uv is uv's: what the user adds is resolved against the lock file and
installed.
"""

import os
import sys
from pathlib import Path

LOCK = "requirements.lock"
NOTE = "packages-of-this-machine.txt"
_TEXT = "The packages of the lock file are those of this machine: .venv/airflow.\n"


def main(uv: str, arguments: list[str]) -> None:
    """Leave a note in the environment, or become uv."""
    if arguments[:2] == ["pip", "install"] and _value(arguments, "--requirement").endswith(LOCK):
        Path(_value(arguments, "--python"), NOTE).write_text(_TEXT)
        return
    os.execv(uv, [uv, *arguments])  # noqa: S606 - the arguments are the builder's


def _value(arguments: list[str], option: str) -> str:
    return arguments[arguments.index(option) + 1] if option in arguments else ""


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
