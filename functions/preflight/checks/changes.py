"""Changes between two deployments that would destroy something or cannot be made."""

from collections.abc import Iterator
from itertools import count

from contracts.queues import queue_places
from preflight.checks.database import DatabaseSize
from preflight.parameters import Parameters

_CUSTOMER_KEY = "customer-key"


def change_problems(parameters: Parameters, former: Parameters) -> Iterator[str]:
    yield from _vpc_problems(parameters.text("Vpc"), former.optional_text("Vpc"))
    yield from _storage_problems(parameters.text("Database"), former.optional_text("Database"))
    yield from _key_problems(parameters.items("Options"), former.optional_text("Options"))
    queues, former_queues = (
        parameters.text("WorkerQueueNames"),
        former.optional_text("WorkerQueueNames"),
    )
    yield from _queue_problems(queues, former_queues)
    yield from _isolation_problems(queues, former_queues)


def _vpc_problems(vpc: str, former: str) -> Iterator[str]:
    if former and vpc != former:
        yield (
            f"Vpc changes from {former} to {vpc}, which would replace the database and every "
            f"service: set Vpc to {former}, or deploy a new stack and restore the database there."
        )


def _storage_problems(text: str, former_text: str) -> Iterator[str]:
    size, former = DatabaseSize.from_text(text), DatabaseSize.from_text(former_text)
    if size and former and size.storage_gib < former.storage_gib:
        kept = DatabaseSize(size.instance_class, former.storage_gib, size.zones)
        yield (
            f"Database reduces the storage from {former.storage_gib} to {size.storage_gib} GiB, "
            f"which RDS cannot do: set Database to {kept}."
        )


def _key_problems(words: list[str], former_text: str) -> Iterator[str]:
    """RDS sets the key of a database at its creation, so another key needs another database."""
    has, had = _CUSTOMER_KEY in words, _CUSTOMER_KEY in former_text.split(",")
    if has != had:
        yield (
            f"Options {'adds' if has else 'removes'} {_CUSTOMER_KEY}, which would replace the "
            f"database by an empty one: {'leave the word out' if has else 'keep the word'}, or "
            "deploy a new stack and restore the database there."
        )


def _queue_problems(text: str, former_text: str) -> Iterator[str]:
    """A queue is a resource at its name's place: at another place it would be another resource.

    CloudFormation creates the new one first, finds the name taken or takes over the queue, and then
    deletes the old one: the queue in use.
    """
    places, former_places = _places(text), _places(former_text)
    marks = {each.name: f":{each.mark}" for each in queue_places(text) if each.mark}
    moved = {
        name: former_places[name]
        for name, place in places.items()
        if former_places.get(name, place) != place
    }
    suggestion = _suggestion(places, former_places, marks)
    for name, former_place in moved.items():
        yield (
            f"WorkerQueueNames moves {name!r} from place {former_place} to place {places[name]}, "
            "which would delete a queue in use: keep its place and leave the place of a removed "
            f"queue empty ({suggestion!r})."
        )


def _isolation_problems(text: str, former_text: str) -> Iterator[str]:
    """The role of running workers would lose the queue, or be deleted, while they run tasks."""
    former = {place.name: place for place in queue_places(former_text) if place.name}
    for place in queue_places(text):
        before = former.get(place.name)
        if before is None or before.is_isolated == place.is_isolated:
            continue
        was, becomes = ("isolated", "shared") if before.is_isolated else ("shared", "isolated")
        yield (
            f"WorkerQueueNames makes the {was} queue {place.name!r} {becomes}, which would take it "
            "from workers that run tasks: keep it as it is and add a queue of another name, or "
            "remove it in one deployment and add it in the next."
        )


def _places(text: str) -> dict[str, int]:
    """The names with their places, from 1 on."""
    return {each.name: place for place, each in enumerate(queue_places(text), 1) if each.name}


def _suggestion(
    places: dict[str, int], former_places: dict[str, int], marks: dict[str, str]
) -> str:
    """The same queues: known ones at their former places, new ones at the first free places."""
    by_place = {former_places[name]: name for name in places if name in former_places}
    for name in places:
        if name not in former_places:
            by_place[next(place for place in count(1) if place not in by_place)] = name
    names = [by_place.get(place, "") for place in range(1, max(by_place, default=0) + 1)]
    return ",".join(name + marks.get(name, "") for name in names)
