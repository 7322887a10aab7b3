"""A task and a worker of the simulated cloud."""

from bench.scaling.workloads import Task


class Job:
    """The way of a task through the queue and the workers."""

    __slots__ = ("arrival", "done", "duration", "ends", "runs", "started")

    def __init__(self, task: Task) -> None:
        self.arrival = task.arrival
        self.duration = task.duration
        self.started: float | None = None
        self.ends = 0.0
        self.runs = 0
        self.done = False


class Worker:
    """One worker. `place` is its index among the open polls, -1 if it has none."""

    __slots__ = (
        "consuming", "ended", "held", "idle_since", "leaving", "number", "on_spot", "patience",
        "place", "requested", "running_at", "served", "standing", "stopping", "waits_for_poll",
    )  # fmt: skip

    def __init__(self, number: int, requested: float, on_spot: bool) -> None:
        self.number = number
        self.requested = requested
        self.on_spot = on_spot
        self.running_at: float | None = None
        self.ended: float | None = None
        self.held: set[Job] = set()
        self.idle_since = 0.0
        self.patience: float | None = None
        self.standing = False
        self.place = -1
        self.served = False
        self.consuming = False
        # Retiring: the gate is closed, a last poll may still be open.
        self.waits_for_poll = False
        # Exiting on its own, or stopped: it takes nothing more.
        self.leaving = False
        self.stopping = False

    @property
    def is_there(self) -> bool:
        return self.ended is None

    @property
    def is_listed(self) -> bool:
        """ECS's desired status RUNNING: a worker that exits on its own still has it."""
        return self.ended is None and not self.stopping
