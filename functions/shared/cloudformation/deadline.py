"""Work that must end in time, so that there is time left to answer CloudFormation."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Result = TypeVar("Result")


class DeadlineError(Exception):
    """The work did not end in time."""


def within(seconds: float, work: Callable[[], Result]) -> Result:
    """The work's result; DeadlineError when it takes longer, for example in a call that hangs.

    The work is then abandoned: its thread ends when its call does, or with the environment.
    """
    pool = ThreadPoolExecutor(1)
    try:
        future = pool.submit(work)
        return future.result(timeout=max(0.0, seconds))
    except TimeoutError:
        raise DeadlineError(
            f"The work did not end within {seconds:.0f} s: deploy again, or look at the log for "
            "the call that hangs"
        ) from None
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
