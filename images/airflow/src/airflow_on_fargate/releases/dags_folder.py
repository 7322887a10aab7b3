"""`$AIRFLOW_HOME/dags`, the default of `[core] dags_folder`, is the release that a process reads.

Many DAGs open files by this path, or search templates there. Tasks of several releases run side by
side on a worker, so the folder must differ between processes, and a mount would need privileges
that Fargate does not give. It is a link to an open file of the process that follows it,
`/proc/self/fd/199`. Each process that reads a release opens the release's folder with this number;
the processes that it starts inherit it.
"""

import logging
import os
import subprocess
from pathlib import Path
from typing import Any, Final

from airflow_on_fargate.patches import replace

log = logging.getLogger(__name__)

# Far above the numbers that a process gets for its first files, and below every usual limit.
NUMBER: Final = 199
_TARGET: Final = f"/proc/self/fd/{NUMBER}"

_served = False


def serve(folder: Path) -> None:
    """Make `$AIRFLOW_HOME/dags` this folder, in this process and those that it starts.

    Never raises: most DAGs do not need it.
    """
    try:
        _serve(folder)
    except OSError as error:
        log.warning("$AIRFLOW_HOME/dags is not the release's folder in this process: %s", error)


def _serve(folder: Path) -> None:
    global _served
    home = os.environ.get("AIRFLOW_HOME")
    if not home:
        return
    link = Path(home, "dags")
    if not link.is_symlink():
        try:
            link.symlink_to(_TARGET)
        except FileExistsError:
            # Created by another process just now; or a folder of the user, which stays.
            if not link.is_symlink():
                return
    if _is_open() and not _served:
        raise OSError(f"the file number {NUMBER} is in use")
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.dup2(opened, NUMBER, inheritable=True)
    finally:
        os.close(opened)
    _served = True
    replace(subprocess.Popen, "__init__", _inheriting)


def _is_open() -> bool:
    try:
        os.fstat(NUMBER)
    except OSError:
        return False
    return True


def _inheriting(original: Any) -> Any:
    """`subprocess` closes every open file but those that it is asked to pass."""

    def __init__(self: Any, *arguments: Any, **named: Any) -> None:
        # Up to seven positional arguments precede `close_fds`.
        if len(arguments) <= 7 and named.get("close_fds", True) and _is_open():
            named["pass_fds"] = (*named.get("pass_fds", ()), NUMBER)
        original(self, *arguments, **named)

    return __init__
