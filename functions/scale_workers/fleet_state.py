"""What the scaler remembers from one look to the next: small, and dispensable.

Everything here only makes it quicker or cheaper. Lost, it begins empty, and what ECS lists takes
its place: workers on their way are pending there, and who starts next teaches its launch time.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

_SAMPLES = 20


@dataclass(frozen=True)
class Launch:
    """Workers that a look has resolved to start: written down before ECS is asked for them.

    Until `arns` is filled nobody knows whether ECS was asked. With the same token it may be asked
    again: it starts them once.
    """

    token: str
    count: int
    at: float
    on_spot: bool = False
    # How long they wait for their first task; None: as long as for any other.
    patience: int | None = None
    # They fill the minimum: idling is what they are there for.
    standing: bool = False
    arns: tuple[str, ...] = ()


@dataclass(frozen=True)
class FleetState:
    """Times are seconds since the epoch."""

    paused: bool = False
    # Launches whose workers ECS need not list yet.
    launches: tuple[Launch, ...] = ()
    # Messages that wake-ups have announced since the last worker was seen: (when, how many).
    announced: tuple[tuple[float, int], ...] = ()
    # From RunTask to running, of the workers that started last.
    launch_seconds: tuple[float, ...] = ()
    learned_until: float = 0.0
    # Launches so far.
    launched: int = 0
    deaths: tuple[float, ...] = ()
    spot_refused_at: float = 0.0
    # Until then the queue's counts may not show all of a burst.
    burst_until: float = 0.0
    # Since when messages have been seen waiting beside slots that look free.
    idle_slots_since: float = 0.0
    # Workers that were told to drain, and those that were unhealthy at the last look: since when.
    told: tuple[str, ...] = ()
    unhealthy: tuple[tuple[str, float], ...] = ()

    def launch_seconds_at(self, share: float, default: float) -> float:
        """A quantile of the learned launch times; the default until there are some."""
        ordered = sorted(self.launch_seconds)
        if len(ordered) < 3:
            return max([default, *ordered])
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    def learn(self, samples: list[float], until: float) -> "FleetState":
        kept = (*self.launch_seconds, *(round(sample, 1) for sample in samples))[-_SAMPLES:]
        return replace(self, launch_seconds=kept, learned_until=until)

    def with_result(self, launch: Launch, arns: tuple[str, ...]) -> "FleetState":
        """What ECS has made of a launch; one of which nothing came is forgotten."""
        launches = [each for each in self.launches if each.token != launch.token]
        if arns:
            launches.append(replace(launch, count=len(arns), arns=arns))
        return replace(self, launches=tuple(launches))

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "FleetState":
        """Raises TypeError, KeyError or ValueError for what no version of this has written."""
        known = {name: values[name] for name in cls.__dataclass_fields__ if name in values}
        for name in ("launch_seconds", "deaths"):
            known[name] = tuple(float(value) for value in known.get(name, ()))
        known["announced"] = tuple((float(at), int(n)) for at, n in known.get("announced", ()))
        known["told"] = tuple(str(arn) for arn in known.get("told", ()))
        known["unhealthy"] = tuple((str(a), float(at)) for a, at in known.get("unhealthy", ()))
        known["launches"] = tuple(
            Launch(**{**launch, "arns": tuple(launch["arns"])})
            for launch in known.get("launches", ())
        )
        return cls(**known)
