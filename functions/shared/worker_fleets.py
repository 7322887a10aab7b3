"""The fleets of workers as the parameters describe them: one for each queue of Airflow's.

WorkerFleets is a JSON object, {"<queue>": {what differs from the Worker… parameters}}. It is read
by the check of prerequisites, which names all that is wrong with it before anything costs, and by
the scaler, which then may rely on it.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from contracts.queues import DEFAULT_QUEUE
from shared.floors import DAYS, Floor

# What WorkerQueueNames says when there is no other queue: CloudFormation makes one turn, with an
# empty name, of a loop over an empty list.
NO_QUEUES = "none"

_QUEUE_NAME = re.compile(r"[a-z][a-z0-9_-]{0,29}")
_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)|24:00")
_FLOOR_KEYS = ("days", "from", "to", "timezone", "workers")

# Keys of a fleet: the field, the least and the most, as the parameters of the same meaning have it.
_NUMBERS = {
    "cpu": ("cpu", 256, 16384),
    "memoryMib": ("memory_mib", 512, 122880),
    "concurrency": ("concurrency", 1, 128),
    "minCount": ("min_count", 0, 1000),
    "maxCount": ("max_count", 1, 1000),
    "spotShare": ("spot_share", 0, 100),
    "spareSlots": ("spare_slots", 0, 10000),
    "aheadMaxCount": ("ahead_max_count", 0, 1000),
}


class WorkerFleetsError(Exception):
    """The description of the fleets is wrong."""


@dataclass(frozen=True)
class WorkerFleet:
    """What a queue's fleet says of itself; None where it takes the Worker… parameter."""

    queue: str
    cpu: int | None = None
    memory_mib: int | None = None
    concurrency: int | None = None
    min_count: int | None = None
    max_count: int | None = None
    spot_share: int | None = None
    spare_slots: int | None = None
    ahead_max_count: int | None = None
    floors: tuple[Floor, ...] = ()


_FIELDS = {field.name for field in fields(WorkerFleet)}
assert {field for field, _, _ in _NUMBERS.values()} <= _FIELDS


def queue_names(text: str) -> tuple[str, ...]:
    """The default queue and those of WorkerQueueNames."""
    further = [name.strip() for name in text.split(",")]
    return (DEFAULT_QUEUE, *(name for name in further if name and name != NO_QUEUES))


def queue_problems(text: str) -> Iterator[str]:
    """All that is wrong with WorkerQueueNames."""
    names = queue_names(text)[1:]
    if names and NO_QUEUES in (name.strip() for name in text.split(",")):
        yield f"WorkerQueueNames names {NO_QUEUES} beside other queues: leave {NO_QUEUES} out."
    if DEFAULT_QUEUE in names:
        yield f"WorkerQueueNames names {DEFAULT_QUEUE}, which is always there: leave it out."
    for name in names:
        if not _QUEUE_NAME.fullmatch(name):
            yield (
                f"WorkerQueueNames names {name!r}: choose at most 30 lower-case letters, digits, "
                "hyphens and underscores, a letter first."
            )
    known: dict[str, str] = {}
    for name in names:
        # Logical ids of CloudFormation's hold letters and digits alone.
        bare = re.sub(r"[-_]", "", name)
        if bare in known:
            yield (
                f"WorkerQueueNames names {known[bare]} and {name}, which differ in nothing that "
                "CloudFormation sees (letters and digits): choose another name for one."
            )
        known[bare] = name


def read_worker_fleets(names: str, text: str) -> tuple[list[WorkerFleet], list[str]]:
    """The fleet of every queue, the default's first, and all that is wrong with their description.

    Args:
        names: WorkerQueueNames.
        text: WorkerFleets.
    """
    queues = queue_names(names)
    try:
        described = json.loads(text, object_pairs_hook=_object)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        return [], [
            f"WorkerFleets is no JSON at {place} ({error.msg}): mend it, or set it to {{}}."
        ]
    except WorkerFleetsError as error:
        return [], [str(error)]
    if not isinstance(described, dict):
        return [], ['WorkerFleets is no JSON object: set it to {} or to {"<queue>": {…}}.']
    problems = [
        f"WorkerFleets describes a fleet for {queue!r}, which is no queue (those are "
        f"{', '.join(queues)}): add it to WorkerQueueNames, or leave the fleet out."
        for queue in described
        if queue not in queues
    ]
    fleets = []
    for queue in queues:
        fleet, found = _fleet(queue, described.get(queue, {}))
        fleets.append(fleet)
        problems += found
    return fleets, problems


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    for name in names:
        if names.count(name) > 1:
            raise WorkerFleetsError(f"WorkerFleets says {name!r} twice: leave one out.")
    return dict(pairs)


def _fleet(queue: str, described: Any) -> tuple[WorkerFleet, list[str]]:
    where = f"WorkerFleets: {queue}"
    if not isinstance(described, dict):
        return WorkerFleet(queue), [f'{where} is no JSON object: write {{"minCount": 1}}, say.']
    problems: list[str] = []
    numbers: dict[str, int] = {}
    floors: list[Floor] = []
    for key, value in described.items():
        if key == "floors":
            floors, found = _floors(f"{where}.floors", value)
            problems += found
        elif key not in _NUMBERS:
            known = ", ".join([*_NUMBERS, "floors"])
            problems.append(f"{where} says {key!r}, which means nothing: choose among {known}.")
        else:
            field, least, most = _NUMBERS[key]
            if not _is_whole(value, least, most):
                problems.append(
                    f"{where}.{key} is {json.dumps(value)}: choose a whole number from {least} to "
                    f"{most}."
                )
            else:
                numbers[field] = value
    return WorkerFleet(queue, floors=tuple(floors), **numbers), problems


def _floors(where: str, described: Any) -> tuple[list[Floor], list[str]]:
    if not isinstance(described, list):
        return [], [f"{where} is no JSON list: write [{{…}}]."]
    floors, problems = [], []
    for number, each in enumerate(described):
        try:
            floors.append(_floor(each))
        except WorkerFleetsError as error:
            problems.append(f"{where}[{number}] {error}")
    return floors, problems


def _floor(described: Any) -> Floor:
    if not isinstance(described, dict) or set(described) != set(_FLOOR_KEYS):
        raise WorkerFleetsError(f"must say {', '.join(_FLOOR_KEYS)}, and nothing else.")
    workers = described["workers"]
    if not _is_whole(workers, 1, 1000):
        raise WorkerFleetsError(
            f"has workers {json.dumps(workers)}: choose a whole number from 1 to 1000."
        )
    start, end = _clock(described["from"]), _clock(described["to"])
    if start == end or start == 24 * 60:
        raise WorkerFleetsError(
            f"is from {described['from']} to {described['to']}: choose an end after the start; a "
            "whole day is from 00:00 to 24:00."
        )
    return Floor(workers, _days(described["days"]), start, end, _timezone(described["timezone"]))


def _clock(text: Any) -> int:
    if not isinstance(text, str) or not _CLOCK.fullmatch(text):
        raise WorkerFleetsError(f"has the time {json.dumps(text)}: choose one such as 08:00.")
    hours, minutes = text.split(":")
    return int(hours) * 60 + int(minutes)


def _days(text: Any) -> frozenset[int]:
    """Days and ranges of days with commas between: mon-fri, or mon,wed,fri, or sat-mon."""
    days: set[int] = set()
    for part in text.split(",") if isinstance(text, str) else [""]:
        ends = [day.strip() for day in part.split("-")]
        if len(ends) > 2 or any(day not in DAYS for day in ends):
            raise WorkerFleetsError(
                f"has the days {json.dumps(text)}: choose days such as mon-fri or mon,wed,sat-sun."
            )
        first, last = DAYS.index(ends[0]), DAYS.index(ends[-1])
        days.update((first + offset) % 7 for offset in range((last - first) % 7 + 1))
    return frozenset(days)


def _timezone(name: Any) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, TypeError, OSError) as error:
        raise WorkerFleetsError(
            f"has the time zone {json.dumps(name)}, which the IANA list does not know: choose one "
            "such as Europe/Berlin or UTC."
        ) from error


def _is_whole(value: Any, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def highest_floor(floors: Sequence[Floor]) -> int:
    """The most workers that any floor asks for."""
    return max((floor.workers for floor in floors), default=0)
