"""Progress on the terminal: one line a step, with its elapsed seconds."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Steps:
    """Numbers the steps of a command, times each, and sums them up at the end."""

    def __init__(self) -> None:
        self.started = time.monotonic()
        self.finished: list[tuple[str, float]] = []

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Announce a step, run it, print how long it took."""
        begun = time.monotonic()
        print(f"▸ {title}", flush=True)
        yield
        elapsed = time.monotonic() - begun
        self.finished.append((title, elapsed))
        print(f"  ✓ {elapsed:.1f} s", flush=True)

    def detail(self, text: str) -> None:
        """A line of what happens inside the running step."""
        print(f"    {text}", flush=True)

    def summary(self) -> None:
        """Every step with its seconds, and the whole."""
        width = max(len(title) for title, _ in self.finished)
        print()
        for title, elapsed in self.finished:
            print(f"  {title:<{width}} {elapsed:7.1f} s")
        print(f"  {'all of it':<{width}} {time.monotonic() - self.started:7.1f} s")
        sys.stdout.flush()


def wait_until(condition: object, timeout: float, what: str, interval: float = 0.25) -> object:
    """Ask until the answer is true and return it.

    Args:
        condition: a callable without arguments; what it returns is the answer.
        timeout: seconds after which to give up.
        what: what is awaited, for the error.
        interval: seconds between two questions.

    Raises:
        TimeoutError: the answer was still false when the time was up.
    """
    assert callable(condition)
    deadline = time.monotonic() + timeout
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() >= deadline:
            raise TimeoutError(f"{what} did not come within {timeout:.0f} s")
        time.sleep(interval)
