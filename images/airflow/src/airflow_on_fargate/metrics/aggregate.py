"""The values of one minute: parsed from statsd packets, added up, and emptied."""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping

from airflow_on_fargate.contracts.metrics.series import BY_SOURCE, Kind, Series

# Of every name that Airflow sends.
PREFIX = "airflow"
# CloudWatch takes no more values of one metric from a line.
MOST_VALUES = 100
_KINDS = {"c": Kind.COUNTER, "g": Kind.GAUGE, "ms": Kind.TIMER}


class Minute:
    """What arrived since the last call of `take`. Not for several threads."""

    def __init__(self) -> None:
        self._values: defaultdict[str, list[float]] = defaultdict(list)
        # How many durations arrived, more than are kept.
        self._seen: defaultdict[str, int] = defaultdict(int)

    def add_packet(self, packet: bytes) -> None:
        """Add every line of a packet that belongs to a series; others are ignored."""
        for line in packet.decode("ascii", "replace").splitlines():
            name, _, rest = line.partition(":")
            text, _, more = rest.partition("|")
            kind, _, rate = more.partition("|@")
            series = BY_SOURCE.get(name.removeprefix(f"{PREFIX}."))
            if series is None or _KINDS.get(kind) is not series.kind or text[:1] in ("+", "-"):
                continue
            try:
                value = float(text)
                value = value / float(rate) if rate and series.kind is Kind.COUNTER else value
            except (ValueError, ZeroDivisionError):
                continue
            self.add(series.source, value)

    def add(self, source: str, value: float) -> None:
        if not math.isfinite(value):
            return
        series = BY_SOURCE[source]
        values = self._values[source]
        if series.kind is Kind.COUNTER:
            values[:] = [sum(values) + value]
        elif series.kind is Kind.GAUGE:
            values[:] = [min([*values[:2], value]), max([*values[:2], value]), value]
        else:
            self._add_duration(source, values, value)

    def _add_duration(self, source: str, values: list[float], value: float) -> None:
        """Keep 100 of them evenly over the minute, and the longest in any case."""
        self._seen[source] += 1
        if len(values) < MOST_VALUES:
            values.append(value)
            return
        longest = values.index(max(values))
        place = self._seen[source] % MOST_VALUES
        if place != longest or value > values[longest]:
            values[place] = value

    def take(self) -> Mapping[Series, list[float]]:
        """The values of each series that has some; the next minute starts empty."""
        found = {
            BY_SOURCE[source]: list(_distinct(source, v)) for source, v in self._values.items()
        }
        self._values.clear()
        self._seen.clear()
        return found


def _distinct(source: str, values: list[float]) -> Iterator[float]:
    """A gauge that did not change is one value."""
    if BY_SOURCE[source].kind is Kind.GAUGE:
        yield from dict.fromkeys(values)
    else:
        yield from values
