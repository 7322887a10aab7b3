"""What the scaler stores between two checks: small, and not essential.

The state only makes the scaler quicker or cheaper. If it is lost, it starts empty: ECS lists the
launched workers as pending, and the next workers give new launch times.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

_SAMPLES = 20


@dataclass(frozen=True)
class Launch:
    """Workers that a check has decided to start, stored before ECS is called.

    While `arns` is empty it is not known whether ECS was called. It may be called again with the
    same token: it starts them once.
    """

    token: str
    count: int
    at: float
    on_spot: bool = False
    # How long they wait for their first task; None: the idle timeout.
    patience: int | None = None
    # They fill the minimum or spare slots, so they are meant to be idle.
    standing: bool = False
    arns: tuple[str, ...] = ()


@dataclass(frozen=True)
class FleetState:
    """Times are seconds since the epoch."""

    paused: bool = False
    # Launches whose workers ECS may not list yet.
    launches: tuple[Launch, ...] = ()
    # Messages that wake-ups have reported since a worker was last seen: (when, how many).
    announced: tuple[tuple[float, int], ...] = ()
    # Seconds from RunTask to running, of the workers that started last.
    launch_seconds: tuple[float, ...] = ()
    learned_until: float = 0.0
    # The number of launches so far.
    launched: int = 0
    deaths: tuple[float, ...] = ()
    spot_refused_at: float = 0.0
    # Until this time the queue's counts may not show all of a burst.
    burst_until: float = 0.0
    # The time since when messages wait beside slots that look free.
    idle_slots_since: float = 0.0
    # Workers that must drain; unhealthy workers, with the time since when.
    told: tuple[str, ...] = ()
    unhealthy: tuple[tuple[str, float], ...] = ()

    def launch_seconds_at(self, share: float, default: float) -> float:
        """A quantile of the learned launch times; at least the default while there are few."""
        ordered = sorted(self.launch_seconds)
        if len(ordered) < 3:
            return max([default, *ordered])
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    def learn(self, samples: list[float], until: float) -> "FleetState":
        kept = (*self.launch_seconds, *(round(sample, 1) for sample in samples))[-_SAMPLES:]
        return replace(self, launch_seconds=kept, learned_until=until)

    def with_result(self, launch: Launch, arns: tuple[str, ...]) -> "FleetState":
        """Store the result of a launch; a launch that started nothing is removed."""
        launches = [each for each in self.launches if each.token != launch.token]
        if arns:
            launches.append(replace(launch, count=len(arns), arns=arns))
        return replace(self, launches=tuple(launches))

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "FleetState":
        """Raises TypeError, KeyError or ValueError for anything that no version has written."""
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
