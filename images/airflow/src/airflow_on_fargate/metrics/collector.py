"""The thread that receives the packets of all processes of a component and writes them as lines."""

import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Mapping

from airflow_on_fargate.metrics.aggregate import Minute
from airflow_on_fargate.metrics.embedded_format import lines

log = logging.getLogger(__name__)

# A value by source, measured when the minute ends.
Probe = Callable[[], Mapping[str, float]]
_STDOUT = 1
_LARGEST_PACKET = 65536
_SECONDS = 60.0


class Collector:
    """Packets on a port of the loopback interface in, a few lines a minute out."""

    def __init__(self, component: str, stack: str, seconds: float | None = None) -> None:
        self._component = component
        self._stack = stack
        self._seconds = seconds or float(os.environ.get("METRICS_SECONDS") or _SECONDS)
        self._minute = Minute()
        self._probes: list[Probe] = []
        self._has_received = False
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._ended = False

    def add_probe(self, probe: Probe) -> None:
        self._probes.append(probe)

    def start(self) -> int:
        """Listen on a free port, and return it."""
        self._socket.bind(("127.0.0.1", 0))
        port: int = self._socket.getsockname()[1]
        threading.Thread(target=self._run, name="metrics", daemon=True).start()
        return port

    def end(self) -> None:
        """Write no more; a component never does this."""
        self._ended = True

    def _run(self) -> None:
        due = time.monotonic() + self._seconds
        while not self._ended:
            left = due - time.monotonic()
            if left <= 0:
                due += self._seconds
                self._flush()
                continue
            self._socket.settimeout(left)
            try:
                packet = self._socket.recv(_LARGEST_PACKET)
            except TimeoutError:
                continue
            except OSError:
                log.exception("Metrics can no longer be received")
                return
            self._has_received = True
            self._minute.add_packet(packet)

    def _flush(self) -> None:
        # Not before Airflow itself has sent something, so that it has imported its modules. Two
        # threads that import them at the same time can wait for each other without end.
        for probe in self._probes if self._has_received else ():
            try:
                for source, value in probe().items():
                    self._minute.add(source, value)
            except Exception as error:
                # The next minute measures again; a metric must not end or fill anything.
                log.warning("A value could not be measured: %s", error)
        now = int(time.time() * 1000)
        for line in lines(
            self._minute.take(), stack=self._stack, component=self._component, at_ms=now
        ):
            # Not through sys.stdout, which Celery and Airflow replace by their loggers.
            os.write(_STDOUT, line)
