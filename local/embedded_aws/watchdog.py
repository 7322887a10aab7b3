"""Ends the embedded AWS's processes when the launcher died without doing so (SIGKILL, a crash).

Run as a child of the launcher, with the write end of a pipe held by the launcher only: the
pipe closes when the launcher is gone, however it went.
"""

import signal
import sys
from pathlib import Path

from embedded_aws.processes import kill_processes, marked_processes


def main() -> None:
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    if sys.stdin.buffer.read() != b"done":
        kill_processes(marked_processes(Path(sys.argv[1])))


if __name__ == "__main__":
    main()
