"""The time of one call, and what a step needs of it."""

from collections.abc import Callable
from dataclasses import dataclass

from build_image.errors import OutOfTimeError

# Calls that one image may take, so that a build that never ends does not go on forever.
MAX_CALLS = 4


class ContinueError(Exception):
    """The next step does not fit into this call; another call has to go on."""


@dataclass
class Budget:
    """Decides whether a step is started in this call.

    A step is repeatable and its result is stored in the registry, so a call may end between any
    two steps. The first step of a call is always started: no call has more time.
    """

    remaining_seconds: Callable[[], float]
    # The number of this call, from 1.
    call: int = 1
    # What is kept to call again or to answer CloudFormation.
    reserve_seconds: float = 30
    _started: bool = False

    def start(self, step: str, seconds: float) -> float:
        """The seconds that a step may take; ContinueError if it needs another call.

        Args:
            step: its name, for the reason.
            seconds: what it usually takes at most.
        """
        left = self.remaining_seconds() - self.reserve_seconds
        if left < seconds and self._started:
            if self.call >= MAX_CALLS:
                raise OutOfTimeError(
                    f"The image was not finished in {MAX_CALLS} calls of the function; the next "
                    f"step was: {step}. Deploy again, or give the function more memory, with which "
                    "its share of the CPU grows."
                )
            raise ContinueError(step)
        self._started = True
        return max(1.0, left)
