"""Check, deploy and retire the fleet of one queue."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from scale_workers.all_fleets import RETIRED, Fleets, WorkersRemainError
from scale_workers.fleet_state import FleetState
from scale_workers.foresight import DueRun, Forecast
from scale_workers.model import FleetConfig, Trigger
from scale_workers.ports import LaunchResult, QueueDepth, StateConflictError, WorkerTask
from scale_workers.queue_fleet import UNHEALTHY, Fleet
from shared.floors import Floor

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
CONFIG = FleetConfig(minimum=0, maximum=10, concurrency=8)


@dataclass
class InMemoryWorkQueue:
    visible: int = 0
    in_flight: int = 0
    error: Exception | None = None

    def depth(self):
        if self.error:
            raise self.error
        return QueueDepth(self.visible, self.in_flight, delayed=0)


@dataclass
class InMemoryWorkerTasks:
    """Workers that disappear some polls after they were stopped; a token launches only once."""

    tasks: list[WorkerTask] = field(default_factory=list)
    listed: bool = True
    stopping_polls: int = 1
    stopped: list[str] = field(default_factory=list)
    reasons: set[str] = field(default_factory=set)
    launches: dict[str, LaunchResult] = field(default_factory=dict)
    failures: tuple[str, ...] = ()
    spot_capacity: int = 1000
    error: Exception | None = None

    def active(self):
        return [task for task in self.tasks if task.arn not in self.stopped] if self.listed else []

    def remaining(self):
        if self.stopped and self.stopping_polls == 0:
            self.tasks = [task for task in self.tasks if task.arn not in self.stopped]
        self.stopping_polls -= bool(self.stopped)
        return [task.arn for task in self.tasks]

    def launch(self, launch, revision):
        if launch.token not in self.launches:
            count = min(launch.count, self.spot_capacity) if launch.on_spot else launch.count
            new = [f"task-{len(self.tasks) + index}" for index in range(count)]
            self.tasks += [WorkerTask(arn, revision, NOW, None, launch.on_spot) for arn in new]
            self.launches[launch.token] = LaunchResult(new, self.failures, count < launch.count)
        if self.error:
            raise self.error
        return self.launches[launch.token]

    def stop(self, task_arn, reason):
        assert task_arn not in self.stopped, "stopped twice"
        self.stopped.append(task_arn)
        self.reasons.add(reason)


@dataclass
class InMemoryCurrentRevision:
    revision: str | None = "airflow-worker:7"
    drained: dict[str, list[str]] = field(default_factory=dict)

    def get(self):
        return self.revision

    def set(self, revision):
        self.revision = revision

    def drain(self, queue, task_ids):
        self.drained[queue] = list(task_ids)


@dataclass
class InMemoryStates:
    """Stores in place of the version that was read; `meanwhile` is called after the next read."""

    state: FleetState = field(default_factory=FleetState)
    version: int = 0
    meanwhile: list = field(default_factory=list)

    def load(self):
        read = self.state, str(self.version) if self.version else None
        if self.meanwhile:
            self.meanwhile.pop(0)()
        return read

    def save(self, state, version):
        if version != (str(self.version) if self.version else None):
            raise StateConflictError
        self.state, self.version = state, self.version + 1
        return str(self.version)


@dataclass
class InMemoryForecasts:
    forecast: Forecast = field(default_factory=lambda: Forecast(0.0))

    def get(self):
        return self.forecast


@dataclass
class InMemoryTick:
    is_set: bool = False
    moment: datetime | None = None

    def ensure(self, moment):
        self.is_set, self.moment = True, moment

    def cancel(self):
        self.is_set = False


class Clock:
    def __init__(self):
        self.moment = NOW

    def now(self):
        return self.moment

    def sleep(self, seconds):
        self.moment += timedelta(seconds=seconds)


@pytest.fixture
def clock():
    return Clock()


@dataclass
class OneFleet:
    """The default queue's fleet with its ports in memory."""

    now: Callable
    sleep: Callable
    config: FleetConfig = CONFIG
    queue: InMemoryWorkQueue = field(default_factory=InMemoryWorkQueue)
    workers: InMemoryWorkerTasks = field(default_factory=InMemoryWorkerTasks)
    current: InMemoryCurrentRevision = field(default_factory=InMemoryCurrentRevision)
    states: InMemoryStates = field(default_factory=InMemoryStates)
    forecasts: InMemoryForecasts = field(default_factory=InMemoryForecasts)
    tick: InMemoryTick = field(default_factory=InMemoryTick)

    def fleet(self):
        return Fleet(
            config=self.config,
            queue=self.queue,
            workers=self.workers,
            current=self.current,
            states=self.states,
            forecasts=self.forecasts,
            now=self.now,
        )

    def fleets(self):
        return Fleets(
            fleets={"default": self.fleet()},
            default_revision="airflow-worker:7",
            workers=self.workers,
            current=self.current,
            tick=self.tick,
            now=self.now,
            sleep=self.sleep,
        )

    def look_after(self, trigger, published=0):
        looks = self.fleets().look_after(trigger, {"default": published} if published else None)
        return looks and looks["default"]

    def deploy(self, revision):
        return self.fleets().deploy(revision)["default"]

    def pause(self, paused):
        return self.fleets().pause(paused)["default"]

    def retire(self, remaining_seconds):
        self.fleets().retire(remaining_seconds)


@pytest.fixture
def fleet(clock):
    return OneFleet(clock.now, clock.sleep)


def worker(name, revision="airflow-worker:7", age=None):
    started = None if age is None else NOW - timedelta(seconds=age)
    return WorkerTask(name, revision, (started or NOW) - timedelta(seconds=60), started)


def with_config(fleet, **values):
    return replace(fleet, config=replace(fleet.config, **values))


def test_starts_workers_of_the_current_revision_and_ticks_when_messages_wait(fleet):
    fleet.queue.visible = 9
    look = fleet.look_after(Trigger.ALARM)
    assert len(look.started) == 2
    assert {task.revision for task in fleet.workers.tasks} == {"airflow-worker:7"}
    assert fleet.tick.is_set


def test_distinguishes_workers_of_the_current_revision_from_others(fleet):
    fleet.queue.in_flight = 4
    fleet.workers.tasks = [
        worker("pending"),
        worker("running", age=45),
        worker("old", "airflow-worker:6", age=9999),
        worker("older and pending", "airflow-worker:5"),
    ]
    observation = fleet.look_after(Trigger.TICK).observation
    assert [(seen.arn, seen.running_since) for seen in observation.workers] == [
        ("pending", None),
        ("running", NOW.timestamp() - 45),
    ]
    assert observation.draining == 2
    assert observation.draining_arns == {"old", "older and pending"}
    assert observation.in_flight == 4


def test_cancels_the_tick_when_there_is_nothing_to_do(fleet):
    fleet.tick.is_set = True
    fleet.look_after(Trigger.TICK)
    assert not fleet.tick.is_set


def test_sets_the_tick_when_a_check_fails(fleet):
    fleet.queue.error = ConnectionError("no queue")
    with pytest.raises(ConnectionError):
        fleet.look_after(Trigger.TICK)
    assert fleet.tick.is_set


def test_sets_the_tick_when_ecs_starts_nothing(fleet):
    fleet.queue.visible = 1
    fleet.workers.failures = ("Capacity is unavailable at this time.",)
    look = fleet.look_after(Trigger.ALARM)
    assert look.failures
    assert fleet.tick.is_set
    # Workers that were not started are not counted as pending.
    assert fleet.states.state.launches[0].count == len(look.started)


def test_takes_the_revision_of_the_environment_when_nothing_was_deployed_yet(fleet):
    fleet.current.revision = None
    fleet.queue.visible = 1
    fleet.look_after(Trigger.ALARM)
    assert fleet.workers.tasks[0].revision == "airflow-worker:7"


def test_takes_the_deployed_revision_when_the_environment_is_ahead(fleet):
    # The function is updated before the fleet: a worker of the new revision would find that it is
    # not current, and exit at once.
    fleet.current.revision = "airflow-worker:6"
    fleet.queue.visible = 1
    fleet.look_after(Trigger.ALARM)
    assert fleet.workers.tasks[0].revision == "airflow-worker:6"


def test_launches_once_when_ecs_does_not_list_the_new_workers_yet(fleet, clock):
    fleet.queue.visible = 8
    fleet.workers.listed = False
    for _ in range(20):
        fleet.look_after(Trigger.WAKE_UP)
        clock.sleep(2)
    assert len(fleet.workers.tasks) == 1


def test_launches_once_when_two_calls_check_at_the_same_moment(fleet):
    fleet.queue.visible = 80
    fleet.workers.listed = False
    fleet.states.meanwhile.append(lambda: fleet.look_after(Trigger.TICK))
    look = fleet.look_after(Trigger.WAKE_UP)
    assert len(fleet.workers.tasks) == 10
    assert look.action.count == 0


def test_launches_once_when_many_calls_check_at_the_same_moment(fleet):
    fleet.queue.visible = 80
    fleet.workers.listed = False

    def another():
        fleet.look_after(Trigger.REQUEST)

    fleet.states.meanwhile += [another] * 12
    fleet.look_after(Trigger.WAKE_UP)
    assert len(fleet.workers.tasks) == 10


def test_launches_once_when_the_scaler_is_killed_between_launch_and_storing(fleet, clock):
    fleet.queue.visible = 80
    fleet.workers.listed = False
    fleet.workers.error = ConnectionError("the function has ended")
    with pytest.raises(ConnectionError):
        fleet.look_after(Trigger.TICK)
    assert fleet.tick.is_set
    fleet.workers.error = None
    clock.sleep(30)
    assert len(fleet.look_after(Trigger.TICK).started) == 10
    assert len(fleet.workers.tasks) == 10


def test_launches_once_when_the_state_is_lost_between_two_checks(fleet, clock):
    fleet.queue.visible = 80
    fleet.look_after(Trigger.TICK)
    again = replace(fleet, states=InMemoryStates())
    clock.sleep(5)
    again.look_after(Trigger.TICK)
    assert len(fleet.workers.tasks) == 10


def test_starts_workers_on_demand_at_once_when_spot_refuses_them(fleet):
    fleet = with_config(fleet, spot_share=100)
    fleet.queue.visible = 80
    fleet.workers.spot_capacity = 3
    look = fleet.look_after(Trigger.TICK)
    assert len(look.started) == 10
    assert sum(task.on_spot for task in fleet.workers.tasks) == 3
    assert fleet.states.state.spot_refused_at == NOW.timestamp()


def test_starts_nothing_while_paused_and_starts_again_afterwards(fleet):
    fleet.queue.visible = 8
    assert fleet.pause(True).started == []
    assert fleet.look_after(Trigger.WAKE_UP).started == []
    assert len(fleet.pause(False).started) == 1


def test_checks_until_the_counts_show_a_burst_that_meets_running_workers(fleet, clock):
    fleet.workers.tasks = [worker("running", age=3600)]
    fleet.queue.visible = 5
    late = replace(fleet, sleep=lambda seconds: counted(seconds))

    def counted(seconds):
        clock.sleep(seconds)
        fleet.queue.visible = 80

    look = late.look_after(Trigger.WAKE_UP, published=80)
    assert len(fleet.workers.tasks) == 10
    assert len(look.started) == 9
    assert look.observation.trigger is Trigger.WAKE_UP
    assert clock.now() < NOW + timedelta(seconds=40)


def test_sets_the_tick_for_a_run_that_is_due_later(fleet):
    fleet = with_config(fleet, foresight_budget=5)
    due = NOW.timestamp() + 1800
    fleet.forecasts.forecast = Forecast(NOW.timestamp(), [DueRun(due, 16)])
    fleet.look_after(Trigger.TICK)
    assert fleet.tick.moment == NOW + timedelta(seconds=1800 - 85 - 15)
    assert fleet.workers.tasks == []


def test_launches_again_when_another_burst_looks_the_same(fleet, clock):
    fleet.queue.visible = 8
    fleet.look_after(Trigger.WAKE_UP)
    fleet.workers.tasks.clear()
    clock.sleep(3600)
    fleet.look_after(Trigger.WAKE_UP)
    assert len(fleet.workers.tasks) == 1


def test_launches_more_at_once_when_the_first_workers_are_not_enough(fleet):
    fleet.queue.visible = 8
    fleet.look_after(Trigger.WAKE_UP)
    fleet.queue.visible = 80
    fleet.look_after(Trigger.WAKE_UP)
    assert len(fleet.workers.tasks) == 10


def test_stops_no_worker_when_another_revision_is_deployed(fleet):
    fleet.workers.tasks = [worker("busy", age=999)]
    fleet.queue.in_flight = 8
    look = fleet.deploy("airflow-worker:8")
    assert fleet.current.revision == "airflow-worker:8"
    assert look.observation.draining == 1
    assert fleet.workers.stopped == []


def test_stops_all_workers_and_waits_for_their_end_when_retired(fleet):
    fleet.tick.is_set = True
    fleet.workers.tasks = [worker("a", age=9), worker("b", "airflow-worker:6"), worker("c")]
    fleet.workers.stopping_polls = 3
    fleet.retire(lambda: 600)
    assert fleet.workers.tasks == []
    assert sorted(fleet.workers.stopped) == ["a", "b", "c"]
    assert not fleet.tick.is_set


def test_starts_no_worker_when_retired(fleet):
    fleet.retire(lambda: 600)
    fleet.queue.visible = 100
    fleet.tick.is_set = True
    assert fleet.look_after(Trigger.WAKE_UP) is None
    assert fleet.workers.tasks == []
    assert fleet.current.revision == RETIRED
    assert not fleet.tick.is_set


def test_may_be_retired_twice(fleet):
    fleet.workers.tasks = [worker("a")]
    fleet.retire(lambda: 600)
    fleet.retire(lambda: 600)
    assert fleet.workers.stopped == ["a"]


def test_also_stops_a_worker_that_was_started_during_the_retirement(fleet, clock):
    fleet.workers.tasks = [worker("a")]

    def start_one_more(seconds):
        if not any(task.arn == "late" for task in fleet.workers.tasks):
            fleet.workers.tasks.append(worker("late"))
            fleet.workers.stopping_polls = 2

    late = replace(fleet, sleep=start_one_more)
    late.retire(lambda: 600)
    assert "late" in fleet.workers.stopped


def test_reports_what_to_do_when_workers_remain_at_the_end_of_the_time(fleet, clock):
    fleet.workers.tasks = [worker("stubborn")]
    fleet.workers.stopping_polls = 10_000
    deadline = NOW + timedelta(seconds=600)
    with pytest.raises(WorkersRemainError, match=r"1 workers .* stubborn: wait until") as caught:
        fleet.retire(lambda: (deadline - clock.now()).total_seconds())
    assert "delete the stack again" in str(caught.value)
    assert clock.now() <= deadline


def test_stops_workers_that_hang_and_names_those_that_must_drain(fleet, clock):
    fleet.queue.in_flight = 16
    fleet.workers.tasks = [
        replace(worker("arn/hangs", age=3600), unhealthy=True),
        replace(worker("arn/small", age=3600), outdated=True),
        worker("arn/fit", age=3600),
    ]
    fleet.look_after(Trigger.TICK)
    assert fleet.workers.stopped == []
    assert fleet.current.drained == {"default": ["small"]}
    clock.sleep(900)
    look = fleet.look_after(Trigger.TICK)
    assert fleet.workers.stopped == ["arn/hangs"]
    assert fleet.workers.reasons == {UNHEALTHY}
    assert look.action.stop == ("arn/hangs",)
    assert fleet.current.drained == {"default": ["small"]}


def test_also_stops_a_worker_of_another_revision_that_hangs(fleet, clock):
    fleet.workers.tasks = [replace(worker("old", "airflow-worker:6", 9999), unhealthy=True)]
    fleet.look_after(Trigger.TICK)
    clock.sleep(900)
    fleet.look_after(Trigger.TICK)
    assert fleet.workers.stopped == ["old"]


def test_sets_the_tick_for_the_launch_before_a_floor(fleet):
    # Sunday, 12:00 UTC, is one o'clock in Berlin; the floor begins at 8 on Monday.
    floor = Floor(2, frozenset(range(5)), 8 * 60, 18 * 60, ZoneInfo("Europe/Berlin"))
    fleet = with_config(fleet, floors=(floor,))
    fleet.look_after(Trigger.TICK)
    assert fleet.workers.tasks == []
    assert fleet.tick.moment == datetime(2026, 3, 2, 7, 0, tzinfo=UTC) - timedelta(seconds=85)


class LeavingWorker(InMemoryWorkerTasks):
    """A worker that holds a message, and exits just after the first of the two looks."""

    def __init__(self, queue):
        super().__init__([worker("leaving", age=100)])
        self.queue = queue
        queue.in_flight, queue.left = 1, self.leave

    def leave(self):
        if self.tasks:
            self.tasks = []
            self.queue.visible, self.queue.in_flight = 1, 0

    def active(self):
        seen = super().active()
        self.leave()
        return seen


class WatchedQueue(InMemoryWorkQueue):
    def depth(self):
        seen = super().depth()
        self.left()
        return seen


def test_counts_the_message_of_a_worker_that_exits_during_the_look(fleet):
    fleet.queue = WatchedQueue()
    fleet.workers = LeavingWorker(fleet.queue)

    seen = fleet.look_after(Trigger.TICK).observation

    # It is in the queue again, where somebody has to take it.
    assert (seen.visible, seen.in_flight) == (1, 0)
