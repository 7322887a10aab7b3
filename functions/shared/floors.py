"""Scheduled floors: a minimum number of workers on certain days between two times of day.

Times are local times in a time zone. A floor begins and ends at its local times, so in the night in
which clocks are put forward it is an hour shorter, and in the other one an hour longer. A floor
that begins at a skipped local time begins at the end of the skipped hour.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
# Every floor recurs within a week; a day more, for time zones.
_HORIZON_DAYS = 8


@dataclass(frozen=True)
class Floor:
    """`start` and `end` are minutes after midnight. A floor that ends before it starts continues
    after midnight and belongs to the day on which it starts. `days` are 0 (Monday) to 6."""

    workers: int
    days: frozenset[int]
    start: int
    end: int
    timezone: ZoneInfo

    def intervals(self, now: float) -> Iterator[tuple[float, float]]:
        """When the floor applies, in seconds since the epoch: from before `now` to a week later."""
        today = datetime.fromtimestamp(now, UTC).astimezone(self.timezone).date()
        # Yesterday's may continue after midnight.
        for offset in range(-1, _HORIZON_DAYS + 1):
            day = today + timedelta(days=offset)
            if day.weekday() in self.days:
                end = self.end if self.end > self.start else self.end + 24 * 60
                yield self._moment(day, self.start), self._moment(day, end)

    def _moment(self, day: date, minutes: int) -> float:
        days, minutes = divmod(minutes, 24 * 60)
        clock = time(*divmod(minutes, 60))
        moment = datetime.combine(day + timedelta(days=days), clock, self.timezone)
        return moment.timestamp()


def floor_at(now: float, floors: Sequence[Floor], minimum: int) -> tuple[int, float | None]:
    """The minimum at that time, and when it changes next (None if it never changes).

    Where floors overlap, the highest applies. Pure.
    """
    held = [(floor.workers, *span) for floor in floors for span in floor.intervals(now)]

    def count_at(moment: float) -> int:
        return max([minimum, *(workers for workers, start, end in held if start <= moment < end)])

    count = count_at(now)
    edges = sorted({edge for _, start, end in held for edge in (start, end) if edge > now})
    # Beyond the horizon the list of intervals is not complete.
    complete = now + (_HORIZON_DAYS - 1) * 86400
    changes = (edge for edge in edges if edge <= complete and count_at(edge) != count)
    return count, next(changes, None)


def floor_ahead(
    now: float, floors: Sequence[Floor], minimum: int, *, ahead: float
) -> tuple[int, float | None]:
    """The same, but each floor already applies `ahead` seconds before it begins."""
    if not floors:
        return minimum, None
    held = [floor_at(now + offset, floors, minimum) for offset in (0.0, ahead)]
    (_, ends), (_, begins) = held
    changes = [ends, None if begins is None else begins - ahead]
    return max(count for count, _ in held), min((at for at in changes if at), default=None)
