"""One loopback address per task, as on Fargate each task has its own network interface.

Linux answers on all of 127.0.0.0/8, so tasks may listen on the same port. On other
systems every task gets 127.0.0.1, and two tasks cannot listen on the same port.
"""

import sys
import threading

_FIRST = (127 << 24) | (77 << 16) | 1  # 127.77.0.1
_COUNT = 0xFFFE

_lock = threading.Lock()
_addresses: dict[str, str] = {}
_next = 0


def address_of(task_arn: str) -> str:
    """The task's address; the first call reserves it."""
    global _next
    if not sys.platform.startswith("linux"):
        return "127.0.0.1"
    with _lock:
        if task_arn not in _addresses:
            taken = set(_addresses.values())
            while True:
                number = _FIRST + _next % _COUNT
                _next += 1
                address = ".".join(str(number >> shift & 255) for shift in (24, 16, 8, 0))
                if address not in taken and not address.endswith((".0", ".255")):
                    break
            _addresses[task_arn] = address
        return _addresses[task_arn]


def release(task_arn: str) -> None:
    with _lock:
        _addresses.pop(task_arn, None)
