"""What load balancers have answered since the last minute ended, for their metrics."""

import threading
from dataclasses import dataclass, field

_MOST_TIMES = 1000


@dataclass
class Answers:
    requests: int = 0
    # 5xx of a target, and those of the load balancer itself.
    target_errors: int = 0
    own_errors: int = 0
    seconds: list[float] = field(default_factory=list)


_lock = threading.Lock()
_counted: dict[str, Answers] = {}


def count(balancer_arn: str, status: int, *, is_of_target: bool, seconds: float) -> None:
    with _lock:
        counted = _counted.setdefault(balancer_arn, Answers())
        counted.requests += 1
        if status >= 500 and is_of_target:
            counted.target_errors += 1
        elif status >= 500:
            counted.own_errors += 1
        if is_of_target and len(counted.seconds) < _MOST_TIMES:
            counted.seconds.append(seconds)


def take() -> dict[str, Answers]:
    """By load balancer; the next minute starts with none."""
    with _lock:
        taken = dict(_counted)
        _counted.clear()
    return taken
