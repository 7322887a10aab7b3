"""The simulated cloud: one queue, its workers, and virtual time.

- A message goes to a random open poll. A poll returns up to ten messages, and never more than the
  worker has free slots (acks_late, prefetch multiplier 1).
- Counts of the queue are outdated when they are read. Airflow's database is not.
- A worker is paid for from RunTask to its end, whether it starts, works, idles or exits.
- A worker ends in two ways. `retire` is the product's protocol: the gate is closed, the poll
  returns, and if it brings messages, the gate opens again. `terminate` is a plain SIGTERM: an open
  poll may take up to ten messages with it, which are hidden until the visibility timeout, and tasks
  that still run after the grace period are killed.
"""

import heapq
import math
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from bench.scaling.actors import Job, Worker
from bench.scaling.parameters import Parameters
from bench.scaling.workloads import Task

LONG_POLL = 10.0
_BATCH = 10
# From ECS's RUNNING to the first poll.
PROCESS_START = 5.0
# The bucket of Fargate launches: 100, refilled by 20 per second.
_LAUNCH_BURST, _LAUNCH_RATE = 100, 20.0
# The idle timeout of a worker of ours that belongs to the minimum.
_STANDING = 6 * 3600.0
# A worker that still runs then after the last task is paid for until then, and not forever.
_AFTERMATH = 3600.0
# The tasks of a Spot worker are ended and reported before it ends (worker/lifecycle.py).
_SPOT_DEADLINE, _SPOT_END = 95.0, 120.0


class World:
    def __init__(self, tasks: Sequence[Task], parameters: Parameters, seed: int) -> None:
        self.parameters = parameters
        self.faults = parameters.faults
        self.now = 0.0
        self._seed = seed
        # Separate streams: the draws of a policy do not change the launches of another.
        self.chance = Random(f"dispatch {seed}")
        self.launch_chance = Random(f"launch {seed}")
        self.fault_chance = Random(f"fault {seed}")
        self.jobs = [Job(task) for task in sorted(tasks, key=lambda task: task.arrival)]
        self.visible: deque[Job] = deque()
        self.in_flight = 0
        self.outstanding = 0
        self.workers: list[Worker] = []
        self.present: dict[int, Worker] = {}
        self.killed = self.stranded = self.interrupted = self.run_twice = 0
        self.launches = self.throttles = 0
        # The scaler's own calls, for its bill.
        self.scaler_calls = self.scaler_writes = 0
        self.scaler_seconds = 0.0
        self.launch_times: list[float] = []
        self.last_done = 0.0
        self.on_publish: Callable[[], None] = lambda: None
        self.on_end: Callable[[Worker, bool], None] = lambda worker, died: None
        self.self_retiring = False
        # What RunTask has answered to which client token.
        self.tokens: dict[str, tuple[str, ...]] = {}
        self._open: list[Worker] = []
        self._heap: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._sequence = 0
        self._times, self._visible_then, self._in_flight_then = [0.0], [0], [0]
        self._bucket, self._bucket_at = float(_LAUNCH_BURST), 0.0
        for job in self.jobs:
            self.at(job.arrival, self._arrive, job)

    # Time

    def at(self, moment: float, action: Callable[..., None], *arguments: Any) -> None:
        self._sequence += 1
        heapq.heappush(self._heap, (moment, self._sequence, action, arguments))

    def after(self, seconds: float, action: Callable[..., None], *arguments: Any) -> None:
        self.at(self.now + seconds, action, *arguments)

    @property
    def is_over(self) -> bool:
        """All tasks are done, and all workers have exited or will not exit."""
        return self.now >= self.jobs[-1].arrival and (
            not self.present or self.now >= self.last_done + _AFTERMATH
        )

    def run(self, limit: float) -> None:
        """Run until everything is over, or the limit is reached."""
        while self._heap:
            moment, _, action, arguments = heapq.heappop(self._heap)
            if moment > limit:
                break
            self.now = moment
            action(*arguments)
            if self.outstanding == 0 and self.is_over:
                break
        for worker in list(self.present.values()):
            worker.ended = self.now

    # The queue

    def counts(self) -> tuple[int, int]:
        """Visible and in flight, each with a random age."""
        lag = 2 * self.parameters.metric_lag
        seen = []
        for values in (self._visible_then, self._in_flight_then):
            moment = self.now - self.chance.random() * lag
            seen.append(values[max(0, bisect_right(self._times, moment) - 1)])
        return seen[0], seen[1]

    def visible_at(self, moment: float) -> int:
        return self._visible_then[max(0, bisect_right(self._times, moment) - 1)]

    def depth_over_time(self) -> list[tuple[float, float]]:
        return [
            (moment, float(count))
            for moment, count in zip(self._times, self._visible_then, strict=True)
        ]

    def _arrive(self, job: Job) -> None:
        self.outstanding += 1
        self._enqueue(job)

    def _enqueue(self, job: Job) -> None:
        self.visible.append(job)
        self._dispatch()
        self._note()
        self.on_publish()

    def _note(self) -> None:
        if self._times[-1] == self.now:
            self._visible_then[-1], self._in_flight_then[-1] = len(self.visible), self.in_flight
        else:
            self._times.append(self.now)
            self._visible_then.append(len(self.visible))
            self._in_flight_then.append(self.in_flight)

    def _dispatch(self) -> None:
        concurrency = self.parameters.concurrency
        while self.visible and self._open:
            worker = self._taker(self.visible[0])
            batch_size = 1 if self.parameters.clairvoyant_dispatch else _BATCH
            count = min(batch_size, len(self.visible), concurrency - len(worker.held))
            batch = [self.visible.popleft() for _ in range(count)]
            self.in_flight += count
            if worker.stopping:
                # The response to a poll of a worker that no longer listens.
                self.stranded += count
                self._shut(worker)
                for job in batch:
                    self.after(self.parameters.visibility_timeout, self._reappear, job)
                continue
            for job in batch:
                self._start(worker, job)
            if worker.waits_for_poll:
                # The last poll returned messages: the gate opens again.
                worker.waits_for_poll = False
            if len(worker.held) >= concurrency:
                self._shut(worker)

    def _taker(self, job: Job) -> Worker:
        if not self.parameters.clairvoyant_dispatch:
            return self._open[int(self.chance.random() * len(self._open))]
        end = self.now + job.duration

        def longer(worker: Worker) -> tuple[float, float]:
            """How much longer the worker must run; then, how much of its time is left idle."""
            until = max((each.ends for each in worker.held), default=self.now)
            return max(0.0, end - until), max(0.0, until - end)

        return min(self._open, key=longer)

    def _reappear(self, job: Job) -> None:
        self.in_flight -= 1
        self._enqueue(job)

    def _start(self, worker: Worker, job: Job) -> None:
        if job.started is None:
            job.started = self.now
        job.runs += 1
        if job.runs == 2:
            self.run_twice += 1
        worker.served = True
        worker.held.add(job)
        job.ends = self.now + job.duration
        self.after(job.duration, self._finish, worker, job, job.runs)

    def _finish(self, worker: Worker, job: Job, run: int) -> None:
        if job not in worker.held or job.runs != run:
            return
        worker.held.discard(job)
        self.in_flight -= 1
        self.outstanding -= 1
        job.done = True
        self.last_done = self.now
        self._slot_is_free(worker)
        self._note()

    def _slot_is_free(self, worker: Worker) -> None:
        if worker.leaving or worker.stopping:
            if not worker.held:
                self.after(self.chance.uniform(3, 8), self._end, worker, False)
            return
        self._open_up(worker)
        self._dispatch()
        if not worker.held:
            self._becomes_idle(worker)

    def _open_up(self, worker: Worker) -> None:
        if worker.place < 0:
            worker.place = len(self._open)
            self._open.append(worker)

    def _shut(self, worker: Worker) -> None:
        if worker.place >= 0:
            last = self._open.pop()
            if last is not worker:
                self._open[worker.place] = last
                last.place = worker.place
            worker.place = -1

    # Workers

    def launch(self, count: int, on_spot: bool = False) -> tuple[list[Worker], str]:
        """RunTask: the workers that start, and why the others did not."""
        self._bucket = min(
            _LAUNCH_BURST, self._bucket + (self.now - self._bucket_at) * _LAUNCH_RATE
        )
        self._bucket_at = self.now
        if on_spot and self._spot_is_short():
            return [], "Capacity is unavailable at this time"
        started: list[Worker] = []
        for first in range(0, count, _BATCH):
            size = min(_BATCH, count - first, int(self._bucket))
            if size < 1 or self.fault_chance.random() < self.faults.throttled_calls:
                self.throttles += 1
                return started, "ThrottlingException"
            self._bucket -= size
            started += [self._launch_one(on_spot) for _ in range(size)]
        return started, ""

    def _spot_is_short(self) -> bool:
        spell = Random(f"spell {int(self.now // 900)} {self._seed}")
        return self.faults.spot_shortage > 0 and spell.random() < self.faults.spot_shortage

    def _launch_one(self, on_spot: bool) -> Worker:
        worker = Worker(len(self.workers), self.now, on_spot)
        self.workers.append(worker)
        self.present[worker.number] = worker
        self.launches += 1
        median, spread = self.parameters.launch_median, self.parameters.launch_spread
        seconds = median * math.exp(self.launch_chance.gauss(0, spread))
        self.launch_times.append(seconds)
        self.after(max(0.0, seconds - PROCESS_START), self._runs, worker)
        self.after(seconds, self._consumes, worker)
        rate = self.faults.spot_interruptions_per_hour
        if on_spot and rate:
            self.after(self.fault_chance.expovariate(rate / 3600), self.interrupt, worker)
        return worker

    def _runs(self, worker: Worker) -> None:
        if worker.is_listed:
            worker.running_at = self.now

    def _consumes(self, worker: Worker) -> None:
        if not worker.is_listed:
            return
        if self.fault_chance.random() < self.faults.dead_on_arrival:
            self._end(worker, True)
            return
        worker.consuming = True
        self._open_up(worker)
        self._dispatch()
        self._note()
        if not worker.held:
            self._becomes_idle(worker)

    def _becomes_idle(self, worker: Worker) -> None:
        worker.idle_since = self.now
        if self.self_retiring:
            seconds = _STANDING if worker.standing else self.parameters.idle_timeout
            if not worker.served and worker.patience is not None:
                seconds = max(seconds, worker.patience)
            self.after(seconds, self._idle_long_enough, worker, self.now)

    def _idle_long_enough(self, worker: Worker, since: float) -> None:
        if not worker.held and worker.idle_since == since:
            self.retire(worker)

    def retire(self, worker: Worker) -> None:
        """The product's protocol: only an idle worker exits, and no message is stranded."""
        if not (worker.is_listed and worker.consuming) or worker.leaving or worker.held:
            return
        worker.waits_for_poll = True
        self.after(self.chance.uniform(0, LONG_POLL), self._poll_returned, worker)

    def _poll_returned(self, worker: Worker) -> None:
        if not worker.waits_for_poll or not worker.is_there:
            return
        worker.waits_for_poll = False
        worker.leaving = True
        self._shut(worker)
        self.after(self.chance.uniform(10, 17), self._end, worker, False)

    def terminate(self, worker: Worker, grace: float) -> None:
        """A plain SIGTERM, as ECS and Kubernetes send it, and SIGKILL after the grace period."""
        if not worker.is_listed:
            return
        worker.stopping = True
        if not worker.consuming:
            self._end(worker, False)
            return
        if worker.place >= 0:
            self.after(self.chance.uniform(0, LONG_POLL), self._shut, worker)
        if worker.held:
            self.after(grace, self._kill, worker)
        else:
            self.after(self.chance.uniform(3, 8), self._end, worker, False)

    def delete(self, worker: Worker) -> None:
        """Ended immediately, with the tasks it runs."""
        if worker.is_there:
            worker.stopping = True
            self._kill(worker)

    def _kill(self, worker: Worker) -> None:
        if not worker.is_there:
            return
        self._shut(worker)
        for job in sorted(worker.held, key=lambda job: job.arrival):
            self.killed += 1
            self.in_flight -= 1
            self.after(self.parameters.heartbeat_timeout, self._enqueue, job)
        worker.held.clear()
        self._note()
        self._end(worker, False)

    def interrupt(self, worker: Worker) -> None:
        """A Spot interruption: drain, and end the tasks in time to report them."""
        if not worker.is_listed or worker.leaving:
            return
        if not worker.consuming:
            self._end(worker, True)
            return
        worker.leaving, worker.waits_for_poll = True, False
        self._shut(worker)
        self.after(_SPOT_DEADLINE if worker.held else 10.0, self._report_tasks, worker)
        self.after(_SPOT_END, self._end, worker, False)

    def _report_tasks(self, worker: Worker) -> None:
        if not worker.is_there:
            return
        for job in sorted(worker.held, key=lambda job: job.arrival):
            self.interrupted += 1
            # Not caused by scaling: the second run is counted as `interrupted`.
            job.runs = 0
            self.in_flight -= 1
            self.after(1.0, self._enqueue, job)
        worker.held.clear()
        self._note()
        self.after(5.0, self._end, worker, False)

    def _end(self, worker: Worker, died: bool) -> None:
        if worker.ended is None and not worker.held:
            self._shut(worker)
            worker.ended = self.now
            self.present.pop(worker.number, None)
            self.on_end(worker, died)
