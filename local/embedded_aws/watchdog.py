"""Ends the embedded AWS's processes when the launcher could not (SIGKILL, a crash).

It runs as a child of the launcher, which alone holds the write end of a pipe: the pipe closes when
the launcher ends for any reason.
"""

import signal
import sys
from pathlib import Path

from embedded_aws.containers.podman import leftovers
from embedded_aws.processes import kill_processes, marked_processes


def main() -> None:
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    if sys.stdin.buffer.read() != b"done":
        state_dir, runtime, endpoint_port = sys.argv[1:]
        kill_processes(marked_processes(Path(state_dir)))
        if runtime == "podman":
            leftovers.remove(state_dir, int(endpoint_port))


if __name__ == "__main__":
    main()
