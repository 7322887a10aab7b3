"""One loopback address per task, as on Fargate each task has its own network interface.

Linux answers on all of 127.0.0.0/8, so tasks may listen on the same port. On other
systems every task gets 127.0.0.1, and two tasks cannot listen on the same port.

The addresses begin with the port of the endpoint, which no other embedded AWS on this machine has.
Airflow's api-server shares its address with any other process that asks for it, so the tasks of
two stacks would answer each other's requests.
"""

import sys
import threading

from embedded_aws.settings import Settings

_LAST = 254

_lock = threading.Lock()
_addresses: dict[str, str] = {}
_network = "127.77.0"
_next = 0


class NoAddressError(RuntimeError):
    """More tasks run at the same time than there are addresses for."""


def install(settings: Settings) -> None:
    global _network
    _network = f"127.{settings.endpoint_port >> 8}.{settings.endpoint_port & 255}"


def address_of(task_arn: str) -> str:
    """The task's address; the first call reserves it."""
    global _next
    if not sys.platform.startswith("linux"):
        return "127.0.0.1"
    with _lock:
        if task_arn not in _addresses:
            taken = set(_addresses.values())
            for _ in range(_LAST):
                _next = _next % _LAST + 1
                address = f"{_network}.{_next}"
                if address not in taken:
                    break
            else:
                raise NoAddressError(f"All {_LAST} addresses of {_network}.0/24 are in use")
            _addresses[task_arn] = address
        return _addresses[task_arn]


def release(task_arn: str) -> None:
    with _lock:
        _addresses.pop(task_arn, None)
