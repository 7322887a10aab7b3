"""The broker: what goes with Valkey, and when it may change."""

from collections.abc import Iterator

from contracts.queues import queue_places
from preflight.parameters import Parameters

_VALKEY, _FLOWER = "redis", "flower"


def broker_problems(parameters: Parameters) -> Iterator[str]:
    words = parameters.items("Options")
    if _FLOWER in words and _VALKEY not in words:
        yield (
            f"Options contains {_FLOWER}, but Flower gets its events through Valkey and cannot "
            f"work with SQS: add {_VALKEY} to Options, or leave {_FLOWER} out."
        )
    if _VALKEY not in words:
        return
    isolated = [
        place.name
        for place in queue_places(parameters.text("WorkerQueueNames"))
        if place.is_isolated
    ]
    if isolated:
        yield (
            f"WorkerQueueNames isolates {', '.join(isolated)}, but Options contains {_VALKEY}: all "
            "workers sign in to Valkey with one token and could read the messages of every queue. "
            f"Leave {_VALKEY} out, or remove :isolated."
        )


def broker_changes(parameters: Parameters, former: Parameters) -> str | None:
    """The broker that the former parameters had, if these have another one."""
    has = _VALKEY in parameters.items("Options")
    had = _VALKEY in former.optional_text("Options").split(",")
    if has == had:
        return None
    return "Valkey" if had else "SQS"


def running_workers_problem(former_broker: str, count: int) -> str:
    return (
        f"Options changes the broker, but {count} workers still run, whose tasks would be cut off "
        f"from {former_broker}: call the function that scales the workers with "
        '{"pause": true}, wait until they have exited, and update the stack again. '
        "docs/broker.md has the steps."
    )
