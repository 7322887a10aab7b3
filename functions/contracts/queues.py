"""The queues of the workers: how they are listed and where they are."""

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

# Airflow's own name of the queue for tasks that name none.
DEFAULT_QUEUE: Final = "default"


# Behind a name and a colon: the queue has a task role and secrets of its own.
ISOLATED: Final = "isolated"


@dataclass(frozen=True, slots=True)
class QueuePlace:
    """A place of the list. `name` is empty where a queue was removed."""

    name: str
    # What stands behind the colon; empty for most queues.
    mark: str = ""

    @property
    def is_isolated(self) -> bool:
        return self.mark == ISOLATED


def queue_places(text: str) -> tuple[QueuePlace, ...]:
    """The places of a list such as `heavy,,team-a:isolated`.

    The template creates a queue for each place, so a removed queue leaves its place empty and the
    others keep theirs.
    """
    entries = (entry.strip().partition(":") for entry in text.split(","))
    return tuple(QueuePlace(name.strip(), mark.strip()) for name, _, mark in entries)


def further_queues(text: str) -> tuple[str, ...]:
    """The queues besides the default one."""
    return tuple(place.name for place in queue_places(text) if place.name)


def secrets_prefix(stack_name: str, queue: str) -> str:
    """Where an isolated queue has its connections and variables; only its role may read them."""
    return f"{stack_name}/queues/{queue}"


def lies_in_folder_of(queue: str, path: str) -> bool:
    """Whether a path, relative to the folder of DAG files, is a file of this queue.

    The queue `team-a` has the folder `team-a/`. No part of the path may be `..`: what it leads to
    is not visible here.
    """
    parts = PurePosixPath(path).parts
    return len(parts) > 1 and parts[0] == queue and ".." not in parts


def queue_url(default_url: str, stack_name: str, queue: str) -> str:
    """The URL of a queue: the same account and region as the default queue, a derived name."""
    if queue == DEFAULT_QUEUE:
        return default_url
    place, _, _ = default_url.rpartition("/")
    return f"{place}/{stack_name}-queue-{queue}"
