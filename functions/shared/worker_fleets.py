"""The fleets of workers as the parameters describe them: one for each Airflow queue.

WorkerFleets is a JSON object, {"<queue>": {what differs from the environment class}}. The preflight
reads it before a deployment and reports everything that is wrong with it; the scaler reads it at
run time and relies on that check.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from contracts.queues import DEFAULT_QUEUE, ISOLATED, further_queues, queue_places
from shared.floors import DAYS, Floor
from shared.json_parameters import JsonParameterError, is_whole_number, read_object

MAX_FURTHER_QUEUES = 8

_QUEUE_NAME = re.compile(r"[a-z][a-z0-9_-]{0,29}")
_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)|24:00")
_SIZE = re.compile(r"(\d{3,5})/(\d{3,6})/(\d{1,3})")
_MAX_SLOTS = 128
_FLOOR_KEYS = ("days", "from", "to", "timezone", "workers")

# Number keys of a fleet: the field, the least and the most.
_NUMBERS = {
    "minCount": ("min_count", 0, 1000),
    "maxCount": ("max_count", 1, 1000),
    "spotShare": ("spot_share", 0, 100),
    "spareSlots": ("spare_slots", 0, 10000),
    "aheadMaxCount": ("ahead_max_count", 0, 1000),
    "idleTimeoutSeconds": ("idle_timeout_seconds", 20, 3600),
}


class WorkerFleetsError(Exception):
    """The description of the fleets is wrong."""


@dataclass(frozen=True)
class WorkerSize:
    """The CPU units and MiB of a worker's task, and how many tasks of Airflow it runs at once."""

    cpu: int
    memory_mib: int
    slots: int

    @classmethod
    def from_text(cls, text: str) -> "WorkerSize":
        """A size written as `<CPU>/<MiB>/<slots>`; WorkerFleetsError for anything else."""
        found = _SIZE.fullmatch(text.strip())
        if not found or not 1 <= int(found[3]) <= _MAX_SLOTS:
            raise WorkerFleetsError(
                f"{json.dumps(text)}: write <CPU>/<MiB>/<slots> with 1 to {_MAX_SLOTS} slots, such "
                "as 1024/4096/8."
            )
        return cls(*(int(number) for number in found.groups()))

    def __str__(self) -> str:
        return f"{self.cpu}/{self.memory_mib}/{self.slots}"


@dataclass(frozen=True)
class WorkerFleet:
    """A queue's fleet. None means that the environment class decides."""

    queue: str
    size: WorkerSize | None = None
    min_count: int = 0
    max_count: int | None = None
    spot_share: int = 0
    spare_slots: int = 0
    ahead_max_count: int | None = None
    idle_timeout_seconds: int = 20
    floors: tuple[Floor, ...] = ()


def queue_names(text: str) -> tuple[str, ...]:
    """The default queue and those of WorkerQueueNames."""
    return (DEFAULT_QUEUE, *further_queues(text))


def queue_problems(text: str) -> Iterator[str]:
    """Everything that is wrong with WorkerQueueNames."""
    names = further_queues(text)
    places = queue_places(text)
    if len(places) > MAX_FURTHER_QUEUES:
        yield (
            f"WorkerQueueNames has {len(places)} places: use at most {MAX_FURTHER_QUEUES}, empty "
            "places included."
        )
    for place in places:
        if place.mark not in ("", ISOLATED):
            yield (
                f"WorkerQueueNames contains {place.name + ':' + place.mark!r}: write {ISOLATED} "
                "behind the colon, or remove both."
            )
        if place.mark and not place.name:
            yield f"WorkerQueueNames contains {':' + place.mark!r} without a name: put one before."
    if DEFAULT_QUEUE in names:
        yield f"WorkerQueueNames contains {DEFAULT_QUEUE}, which always exists: remove it."
    for name in dict.fromkeys(names):
        if not _QUEUE_NAME.fullmatch(name):
            yield (
                f"WorkerQueueNames contains {name!r}: use at most 30 lower-case letters, digits, "
                "hyphens and underscores, starting with a letter."
            )
        if names.count(name) > 1:
            yield f"WorkerQueueNames contains {name!r} more than once: remove the others."


def read_worker_fleets(names: str, text: str) -> tuple[list[WorkerFleet], list[str]]:
    """The fleet of every queue, the default queue's first, and all problems of the description.

    Args:
        names: WorkerQueueNames.
        text: WorkerFleets.
    """
    queues = queue_names(names)
    try:
        described = read_object("WorkerFleets", text)
    except JsonParameterError as error:
        return [], [str(error)]
    problems = [
        f"WorkerFleets describes a fleet for {queue!r}, which is not a queue (the queues are "
        f"{', '.join(queues)}): add it to WorkerQueueNames, or remove the fleet."
        for queue in described
        if queue not in queues
    ]
    fleets = []
    for queue in queues:
        fleet, found = _fleet(queue, described.get(queue, {}))
        fleets.append(fleet)
        problems += found
    return fleets, problems


def _fleet(queue: str, described: Any) -> tuple[WorkerFleet, list[str]]:
    where = f"WorkerFleets.{queue}"
    if not isinstance(described, dict):
        return WorkerFleet(queue), [
            f'{where} is not a JSON object: write an object such as {{"minCount": 1}}.'
        ]
    problems: list[str] = []
    numbers: dict[str, int] = {}
    size: WorkerSize | None = None
    floors: list[Floor] = []
    for key, value in described.items():
        if key == "floors":
            floors, found = _floors(f"{where}.floors", value)
            problems += found
        elif key == "size":
            try:
                size = WorkerSize.from_text(value if isinstance(value, str) else json.dumps(value))
            except WorkerFleetsError as error:
                problems.append(f"{where}.size is {error}")
        elif key == ISOLATED:
            problems.append(
                f"{where} contains {ISOLATED!r}, which belongs to the queue's name, because the "
                f"template creates the role: write {queue}:{ISOLATED} in WorkerQueueNames."
            )
        elif key not in _NUMBERS:
            known = ", ".join(["size", *_NUMBERS, "floors"])
            problems.append(f"{where} contains the unknown key {key!r}: choose among {known}.")
        else:
            field, least, most = _NUMBERS[key]
            if is_whole_number(value, least, most):
                numbers[field] = value
            else:
                problems.append(
                    f"{where}.{key} is {json.dumps(value)}: choose a whole number from {least} to "
                    f"{most}."
                )
    return WorkerFleet(queue, size=size, floors=tuple(floors), **numbers), problems


def _floors(where: str, described: Any) -> tuple[list[Floor], list[str]]:
    if not isinstance(described, list):
        return [], [f"{where} is not a JSON list: write [{{…}}]."]
    floors, problems = [], []
    for number, each in enumerate(described):
        try:
            floors.append(_floor(each))
        except WorkerFleetsError as error:
            problems.append(f"{where}[{number}] {error}")
    return floors, problems


def _floor(described: Any) -> Floor:
    if not isinstance(described, dict) or set(described) != set(_FLOOR_KEYS):
        raise WorkerFleetsError(f"must contain exactly {', '.join(_FLOOR_KEYS)}.")
    workers = described["workers"]
    if not is_whole_number(workers, 1, 1000):
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
            f"has the time zone {json.dumps(name)}, which is not in the IANA list: choose one such "
            "as Europe/Berlin or UTC."
        ) from error


def highest_floor(floors: Sequence[Floor]) -> int:
    """The most workers that any floor asks for."""
    return max((floor.workers for floor in floors), default=0)
