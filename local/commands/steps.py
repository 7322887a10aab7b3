"""Progress on the terminal: a line for each step, what it waits for, and its duration."""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import requests
from botocore.exceptions import ConnectionError as AwsConnectionError
from botocore.exceptions import HTTPClientError

# A step that takes longer says what it waits for, and again after each further time.
SAY_SECONDS = 15.0

# The other side did not answer in time, or not at all: on a busy machine it may answer later.
NO_ANSWER = (requests.Timeout, requests.ConnectionError, AwsConnectionError, HTTPClientError)
# What a load balancer or a starting server answers for the one behind it.
_UNAVAILABLE = (502, 503, 504)


class _Awaited:
    """What this process waits for at the moment, as one text for people."""

    def __init__(self) -> None:
        self.text = ""


_awaited = _Awaited()


def waits_for(what: str) -> None:
    """Set what the running step waits for; its next progress line says so."""
    _awaited.text = what


@dataclass(frozen=True)
class Line:
    """A line of the summary: a step, or a moment that has no duration."""

    title: str
    seconds: float | None
    # Since the command began.
    ended_after: float


class Steps:
    """Prints and times the steps of a command, with a summary at the end."""

    def __init__(self, say_seconds: float = SAY_SECONDS) -> None:
        self.started = time.monotonic()
        self.lines: list[Line] = []
        self._say_seconds = say_seconds

    @contextmanager
    def step(self, title: str, waiting_for: str = "") -> Iterator[None]:
        """Print a step, run it, print its duration.

        Args:
            title: the step.
            waiting_for: what it waits for, until `waits_for` or `wait_until` says more.
        """
        begun = time.monotonic()
        print(f"▸ {title}", flush=True)
        waits_for(waiting_for)
        ended = threading.Event()
        teller = threading.Thread(target=self._tell, args=(ended, begun), daemon=True)
        teller.start()
        try:
            yield
        finally:
            ended.set()
            teller.join()
        elapsed = time.monotonic() - begun
        self.lines.append(Line(title, elapsed, self._since_start()))
        print(f"  ✓ {elapsed:.1f} s", flush=True)

    def reached(self, what: str) -> None:
        """Print that something is reached, and after how many seconds of the command."""
        line = Line(what, None, self._since_start())
        self.lines.append(line)
        print(f"  ★ {what} after {line.ended_after:.1f} s", flush=True)

    def _tell(self, ended: threading.Event, begun: float) -> None:
        while not ended.wait(self._say_seconds):
            what = _awaited.text
            if what:
                self.detail(f"… {time.monotonic() - begun:.0f} s: waiting for {what}")

    def detail(self, text: str) -> None:
        """Print a line below the running step."""
        print(f"    {text}", flush=True)

    def summary(self) -> None:
        """Print the duration of every step and when it ended, and the total."""
        width = max(len(line.title) for line in self.lines)
        print()
        for line in self.lines:
            took = " " * 9 if line.seconds is None else f"{line.seconds:7.1f} s"
            print(f"  {line.title:<{width}} {took}   after {line.ended_after:6.1f} s")
        print(f"  {'total':<{width}} {self._since_start():7.1f} s")
        sys.stdout.flush()

    def _since_start(self) -> float:
        return time.monotonic() - self.started


def wait_until(
    condition: Callable[[], object],
    timeout: float,
    what: str,
    interval: float = 0.25,
    now: Callable[[], str] = str,
) -> object:
    """Call a condition until its value is true, and return that value.

    A call that gets no answer counts as false: on a busy machine the next one may get one.

    Args:
        condition: a callable without arguments.
        timeout: seconds after which to give up.
        what: what is awaited, for the progress line and the error.
        interval: seconds between two calls.
        now: the present state, for the progress line; called after each call of the condition.

    Raises:
        TimeoutError: the value was still false after the timeout.
    """
    deadline = time.monotonic() + timeout
    while True:
        problem = ""
        try:
            answer = condition()
        except NO_ANSWER as error:
            answer, problem = False, f"no answer ({type(error).__name__})"
        except requests.HTTPError as error:
            if error.response is None or error.response.status_code not in _UNAVAILABLE:
                raise
            answer, problem = False, f"HTTP {error.response.status_code}"
        if answer:
            return answer
        state = problem or now()
        waits_for(f"{what}; now: {state}" if state else what)
        if time.monotonic() >= deadline:
            last = f"; the last look: {problem}" if problem else ""
            raise TimeoutError(f"Timed out after {timeout:.0f} s waiting for {what}{last}")
        time.sleep(interval)
