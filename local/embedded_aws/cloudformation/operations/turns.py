"""Handlers of resources take turns, and give their turn away while they wait.

What takes long in a deployment is waiting: for the answer of a custom resource, for a nested stack,
for a service that becomes steady, for a database that starts. All of that overlaps. The rest of a
handler changes ministack's state, which has no locks, so only one handler at a time does that.
"""

import asyncio
import contextlib
import contextvars
import threading
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

_lock = threading.Lock()


class CancelledBeforeItBeganError(RuntimeError):
    """The operation was cancelled before the handler had its first turn."""


class Turn:
    """The right of one resource's handler to change the state of the embedded AWS."""

    def __init__(self, when_it_waits: Callable[[], None] = lambda: None) -> None:
        self._when_it_waits = when_it_waits
        self._guard = threading.Lock()
        self._when_cancelled: list[Callable[[], None]] = []
        self._held = False
        self.cancelled = False

    def run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        _current.set(self)
        self._take()
        try:
            if self.cancelled:
                raise CancelledBeforeItBeganError
            return function(*arguments)
        finally:
            self._give()

    def cancel(self) -> None:
        """Ask the handler to end its wait. A handler that waits for nothing ends by itself."""
        with self._guard:
            self.cancelled = True
            callbacks = list(self._when_cancelled)
        for callback in callbacks:
            callback()

    def when_cancelled(self, callback: Callable[[], None]) -> None:
        """Call back once when the turn is cancelled, now if it already is."""
        with self._guard:
            if not self.cancelled:
                self._when_cancelled.append(callback)
                return
        callback()

    @contextlib.contextmanager
    def others_meanwhile(self) -> Iterator[None]:
        if not self._held:
            yield
            return
        self._give()
        self._when_it_waits()
        try:
            yield
        finally:
            self._take()

    def _take(self) -> None:
        _lock.acquire()
        self._held = True

    def _give(self) -> None:
        self._held = False
        _lock.release()


_current: ContextVar[Turn | None] = ContextVar("embedded_aws_turn", default=None)


def current_turn() -> Turn:
    """The turn of the running handler; one that is never cancelled outside of a handler."""
    return _current.get() or Turn()


@contextlib.contextmanager
def others_meanwhile() -> Iterator[None]:
    """Around a wait in a handler: other handlers have their turns until it is over."""
    with current_turn().others_meanwhile():
        yield


async def take_turn(function: Callable[..., Any], *arguments: Any, turn: Turn | None = None) -> Any:
    """Run a blocking call in a thread, in its turn.

    ministack waits for the thread even when the call is cancelled, so the emulator could not end
    before, say, a custom resource has answered. This version does not wait.
    """
    loop = asyncio.get_running_loop()
    finished: asyncio.Future[Any] = loop.create_future()
    context = contextvars.copy_context()
    turn = turn or Turn()

    def deliver(result: Any, error: BaseException | None) -> None:
        if finished.done():
            return
        if error is None:
            finished.set_result(result)
        else:
            finished.set_exception(error)

    def work() -> None:
        result, error = None, None
        try:
            result = context.run(turn.run, function, *arguments)
        except BaseException as raised:  # raised again where the result is awaited
            error = raised
        call_soon(loop, deliver, result, error)

    threading.Thread(target=work, name="embedded-aws-cloudformation", daemon=True).start()
    return await finished


def call_soon(loop: asyncio.AbstractEventLoop, function: Callable[..., Any], *args: Any) -> None:
    """Call from another thread; nothing if the loop is closed, so that nothing awaits the call."""
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(function, *args)
