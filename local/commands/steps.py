"""Progress on the terminal: one line per step, with its duration."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Steps:
    """Prints and times the steps of a command, with a summary at the end."""

    def __init__(self) -> None:
        self.started = time.monotonic()
        self.finished: list[tuple[str, float]] = []

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Print a step, run it, print its duration."""
        begun = time.monotonic()
        print(f"▸ {title}", flush=True)
        yield
        elapsed = time.monotonic() - begun
        self.finished.append((title, elapsed))
        print(f"  ✓ {elapsed:.1f} s", flush=True)

    def detail(self, text: str) -> None:
        """Print a line below the running step."""
        print(f"    {text}", flush=True)

    def summary(self) -> None:
        """Print the duration of every step, and the total."""
        width = max(len(title) for title, _ in self.finished)
        print()
        for title, elapsed in self.finished:
            print(f"  {title:<{width}} {elapsed:7.1f} s")
        print(f"  {'total':<{width}} {time.monotonic() - self.started:7.1f} s")
        sys.stdout.flush()


def wait_until(condition: object, timeout: float, what: str, interval: float = 0.25) -> object:
    """Call a condition until its value is true, and return that value.

    Args:
        condition: a callable without arguments.
        timeout: seconds after which to give up.
        what: what is awaited, for the error.
        interval: seconds between two calls.

    Raises:
        TimeoutError: the value was still false after the timeout.
    """
    assert callable(condition)
    deadline = time.monotonic() + timeout
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() >= deadline:
            raise TimeoutError(f"Timed out after {timeout:.0f} s waiting for {what}")
        time.sleep(interval)
