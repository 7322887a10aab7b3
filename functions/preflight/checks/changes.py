"""Changes between two deployments that would destroy something or cannot be made."""

from collections.abc import Iterator
from itertools import count

from preflight.checks.database import DatabaseSize
from preflight.parameters import Parameters

_CUSTOMER_KEY = "customer-key"


def change_problems(parameters: Parameters, former: Parameters) -> Iterator[str]:
    yield from _vpc_problems(parameters.text("Vpc"), former.optional_text("Vpc"))
    yield from _storage_problems(parameters.text("Database"), former.optional_text("Database"))
    yield from _key_problems(parameters.items("Options"), former.optional_text("Options"))
    yield from _queue_problems(
        parameters.text("WorkerQueueNames"), former.optional_text("WorkerQueueNames")
    )


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
    moved = {
        name: former_places[name]
        for name, place in places.items()
        if former_places.get(name, place) != place
    }
    suggestion = _suggestion(places, former_places)
    for name, former_place in moved.items():
        yield (
            f"WorkerQueueNames moves {name!r} from place {former_place} to place {places[name]}, "
            "which would delete a queue in use: keep its place and leave the place of a removed "
            f"queue empty ({suggestion!r})."
        )


def _places(text: str) -> dict[str, int]:
    """The names with their places, from 1 on."""
    names = [name.strip() for name in text.split(",")]
    return {name: place for place, name in enumerate(names, 1) if name}


def _suggestion(places: dict[str, int], former_places: dict[str, int]) -> str:
    """The same queues: known ones at their former places, new ones at the first free places."""
    by_place = {former_places[name]: name for name in places if name in former_places}
    for name in places:
        if name not in former_places:
            by_place[next(place for place in count(1) if place not in by_place)] = name
    return ",".join(by_place.get(place, "") for place in range(1, max(by_place, default=0) + 1))
