"""The registry of all processes that the embedded AWS starts, so that none outlives it.

Each process is the leader of a new session, carries two marks in its environment and writes to
a log file. To end one, SIGTERM is sent to the leader only (as to a container's PID 1) and, after
a timeout, SIGKILL to everything it has started. A watchdog process does the same when the launcher
is killed and cannot.
"""

import atexit
import contextlib
import os
import secrets
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil

from embedded_aws.settings import Settings

STATE_DIR_MARK = "EMBEDDED_AWS_STATE_DIR"
PROCESS_MARK = "EMBEDDED_AWS_PROCESS"


class ManagedProcess:
    """A running or finished child process with everything it started."""

    def __init__(
        self,
        popen: subprocess.Popen[bytes],
        name: str,
        mark: str,
        log_file: Path,
        stop_signal: signal.Signals,
        stop_last: bool,
    ) -> None:
        self.name = name
        self.log_file = log_file
        self.stop_last = stop_last
        self._popen = popen
        self._mark = mark
        self._stop_signal = stop_signal

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def is_running(self) -> bool:
        return self._popen.poll() is None

    @property
    def exit_code(self) -> int | None:
        """The exit code as Docker gives it: 128 plus the signal's number for a killed process."""
        code = self._popen.poll()
        return code if code is None or code >= 0 else 128 - code

    def wait(self, timeout: float | None = None) -> int | None:
        """Wait for the end; None when it still runs after the timeout."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._popen.wait(timeout)
        return self.exit_code

    def stop(self, timeout: float) -> int | None:
        """Ask it to end, wait, then kill it and all that it has started. Returns the exit code."""
        if self.is_running:
            with contextlib.suppress(ProcessLookupError):
                self._popen.send_signal(self._stop_signal)
            self.wait(timeout)
        self.kill()
        return self.exit_code

    def kill(self) -> None:
        """Kill the process and its leftovers, as the end of a container's PID 1 does."""
        kill_processes(members(self._popen.pid, self._mark))
        self._popen.wait()


class ProcessRegistry:
    """Starts processes and ends all of them."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._running: dict[int, ManagedProcess] = {}
        self._closed = False
        self._after_end: list[Callable[[], None]] = []
        self._watchdog = _start_watchdog(settings)
        atexit.register(self.stop_all)

    def start(
        self,
        argv: Sequence[str],
        *,
        name: str,
        env: Mapping[str, str],
        cwd: Path,
        log_file: Path,
        stop_signal: signal.Signals = signal.SIGTERM,
        stop_last: bool = False,
    ) -> ManagedProcess:
        """Start a process. ``env`` is its whole environment; the launcher's is not inherited.

        ``stop_last`` is for processes that others need until they have ended, such as a database.
        """
        mark = secrets.token_hex(8)
        environment = {**env, STATE_DIR_MARK: str(self._settings.state_dir), PROCESS_MARK: mark}
        log_file.parent.mkdir(parents=True, exist_ok=True)
        with self._lock, log_file.open("ab") as log:
            if self._closed:
                raise RuntimeError(f"{name} is not started: the embedded AWS is ending")
            popen = subprocess.Popen(
                list(argv),
                env=environment,
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            process = ManagedProcess(popen, name, mark, log_file, stop_signal, stop_last)
            self._running[popen.pid] = process
        threading.Thread(target=self._follow, args=(process,), daemon=True).start()
        return process

    def after_end(self, clean_up: Callable[[], None]) -> None:
        """Call ``clean_up`` when everything has ended, with the launcher."""
        self._after_end.append(clean_up)

    def stop_all(self) -> None:
        """End everything and refuse new processes. Called again, it does nothing."""
        with self._lock:
            self._closed = True
            processes = list(self._running.values())
        for group in ([p for p in processes if not p.stop_last],
                      [p for p in processes if p.stop_last]):  # fmt: skip
            if group:
                with ThreadPoolExecutor(len(group)) as pool:
                    list(pool.map(self._stop, group))
        kill_processes(marked_processes(self._settings.state_dir))
        while self._after_end:
            self._after_end.pop()()
        self._watchdog.dismiss()

    def _stop(self, process: ManagedProcess) -> None:
        process.stop(self._settings.shutdown_timeout_seconds)

    def _follow(self, process: ManagedProcess) -> None:
        """Kill what the leader has started when it ends, also when it ends by itself."""
        process.wait()
        process.kill()
        with self._lock:
            self._running.pop(process.pid, None)


def marked_processes(state_dir: Path) -> list[psutil.Process]:
    """All processes that carry the mark of this state directory, except this one."""
    return [
        process
        for process in psutil.process_iter()
        if process.pid != os.getpid() and _environ(process).get(STATE_DIR_MARK) == str(state_dir)
    ]


def kill_processes(processes: Iterable[psutil.Process]) -> None:
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.kill()


def members(leader: int, mark: str) -> list[psutil.Process]:
    """The leader's session, and processes that left it but have its mark or parent."""
    members: dict[int, psutil.Process] = {}
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(leader)
        if process.status() != psutil.STATUS_ZOMBIE:
            members = {child.pid: child for child in process.children(recursive=True)}
            members[leader] = process
    for process in psutil.process_iter():
        if _session(process.pid) == leader or _environ(process).get(PROCESS_MARK) == mark:
            members.setdefault(process.pid, process)
    return list(members.values())


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except OSError:
        return None


def _environ(process: psutil.Process) -> dict[str, str]:
    try:
        environment: dict[str, str] = process.environ()
        return environment
    except (psutil.Error, OSError):
        return {}


class _Watchdog:
    """A process that waits on a pipe for the end of the launcher; see `embedded_aws.watchdog`."""

    def __init__(self, popen: subprocess.Popen[bytes]) -> None:
        self._popen = popen

    def dismiss(self) -> None:
        if self._popen.poll() is None and self._popen.stdin is not None:
            with contextlib.suppress(OSError):
                self._popen.stdin.write(b"done")
                self._popen.stdin.close()
            self._popen.wait()


def _start_watchdog(settings: Settings) -> _Watchdog:
    unmarked = {name: value for name, value in os.environ.items() if name != STATE_DIR_MARK}
    return _Watchdog(
        subprocess.Popen(
            [
                sys.executable,
                "-m",
                "embedded_aws.watchdog",
                str(settings.state_dir),
                settings.runtime,
                str(settings.endpoint_port),
            ],
            env=unmarked,
            stdin=subprocess.PIPE,
            # A new session, so that a Ctrl-C for the launcher does not reach it.
            start_new_session=True,
        )
    )


_registry: ProcessRegistry | None = None


def install(settings: Settings) -> None:
    global _registry
    _registry = ProcessRegistry(settings)


def registry() -> ProcessRegistry:
    if _registry is None:
        raise RuntimeError("embedded_aws.processes is not installed")
    return _registry
