"""The drain object: which task definition is current, and which workers must drain.

    {"current": "<family>:<revision>", "drain": {"<queue>": ["<task id>", ...]}}

Written by the scaler with every deployment and whenever a worker of the current revision has to
drain. Read by every worker: it drains when it is of another revision, or is named.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

# In the state bucket.
KEY: Final = "fleet/drain.json"
# The current revision while the stack is deleted. No worker has it, so all drain, and nothing is
# started.
RETIRED: Final = "none"


@dataclass(frozen=True, slots=True)
class DrainOrders:
    """The content of the drain object; `drain` holds task ids by queue."""

    current: str
    drain: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def named(self) -> frozenset[str]:
        """The ids of all tasks that must drain, whatever their queue."""
        return frozenset(task for tasks in self.drain.values() for task in tasks)

    def naming(self, queue: str, task_ids: Sequence[str]) -> "DrainOrders":
        """The same orders with these tasks in place of those named before for the queue."""
        return replace(self, drain={**self.drain, queue: tuple(sorted(task_ids))})

    def to_bytes(self) -> bytes:
        document: dict[str, object] = {"current": self.current}
        if self.drain:
            document["drain"] = {queue: list(tasks) for queue, tasks in self.drain.items()}
        return json.dumps(document).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> "DrainOrders":
        """ValueError for bytes that are not drain orders."""
        document = json.loads(data)
        try:
            current, drain = document["current"], document.get("drain", {})
            named = {str(queue): tuple(map(str, tasks)) for queue, tasks in drain.items()}
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"The drain object is not as expected: {error!r}") from error
        if not isinstance(current, str):
            raise ValueError("The drain object's 'current' is not a string")
        return cls(current, named)
