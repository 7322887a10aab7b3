"""The queues of the workers: how they are listed and where they are."""

from typing import Final

# Airflow's own name of the queue for tasks that name none.
DEFAULT_QUEUE: Final = "default"


def further_queues(text: str) -> tuple[str, ...]:
    """The queues besides the default one. `text` is a comma-separated list.

    A place may be empty: the template creates a queue for each place, so a removed queue leaves its
    place empty and the others keep theirs.
    """
    names = (name.strip() for name in text.split(","))
    return tuple(name for name in names if name)


def queue_url(default_url: str, stack_name: str, queue: str) -> str:
    """The URL of a queue: the same account and region as the default queue, a derived name."""
    if queue == DEFAULT_QUEUE:
        return default_url
    place, _, _ = default_url.rpartition("/")
    return f"{place}/{stack_name}-queue-{queue}"
