"""Which workers must drain or stop, and which stay."""

from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from scale_workers.decision import decide
from scale_workers.fleet_state import FleetState
from scale_workers.model import FleetConfig, Observation, Trigger, WorkerSeen
from shared.floors import Floor

BERLIN = ZoneInfo("Europe/Berlin")
OFFICE = Floor(2, frozenset(range(5)), 8 * 60, 18 * 60, BERLIN)
CONFIG = FleetConfig(minimum=0, maximum=10, concurrency=4, max_age_seconds=12 * 3600)
NOW = datetime(2026, 3, 2, 12, 0, tzinfo=BERLIN).timestamp()
EMPTY = FleetState()
HOUR = 3600.0


def worker(name, age=HOUR, **values):
    return WorkerSeen(name, NOW - age - 60, NOW - age, **values)


def look(workers, config=CONFIG, state=EMPTY, now=NOW, **counts):
    values = dict.fromkeys(("visible", "in_flight", "delayed"), 0) | counts
    return decide(Observation(Trigger.TICK, now, workers=tuple(workers), **values), state, config)


def test_names_outdated_workers_to_drain_and_starts_others_when_there_is_work():
    workers = [worker("small", outdated=True), worker("fit")]
    action, state = look(workers, visible=8, in_flight=8)
    assert action.drain == ("small",)
    # The healthy worker counts as full; the slots of the other do not count.
    assert action.count == 2
    assert state.told == ("small",)
    assert action.stop == ()


@pytest.mark.parametrize(("age", "drained"), [(12 * HOUR - 1, ()), (12 * HOUR, ("old",))])
def test_names_a_worker_to_drain_when_it_is_over_age(age, drained):
    assert look([worker("old", age), worker("young")], in_flight=8)[0].drain == drained


def test_names_a_tenth_at_one_check_when_many_are_over_age():
    workers = [worker(f"{number:02}", (30 - number) * HOUR) for number in range(11)]
    first, state = look(workers, in_flight=44)
    assert first.drain == ("00", "01")
    second, state = look(workers, state=state, in_flight=44)
    assert second.drain == ("00", "01", "02")


def test_removes_the_name_of_a_worker_that_has_exited():
    state = replace(EMPTY, told=("gone", "going"))
    action, state = look([worker("going"), worker("fit")], state=state)
    assert action.drain == state.told == ("going",)


def test_does_not_count_draining_workers_as_capacity():
    state = replace(EMPTY, told=("going",))
    assert look([worker("going")], state=state, visible=4)[0].count == 1


def test_stops_a_worker_when_it_has_been_unhealthy_for_fifteen_minutes():
    workers = [worker("hangs", unhealthy=True), worker("fit")]
    action, state = look(workers, in_flight=4)
    assert (action.stop, state.unhealthy) == ((), (("hangs", NOW),))
    action, state = look(workers, state=state, now=NOW + 899, in_flight=4)
    assert action.stop == ()
    action, state = look(workers, state=state, now=NOW + 900, in_flight=4)
    assert action.stop == ("hangs",)
    assert action.drain == ()


def test_restarts_the_time_when_a_worker_was_healthy_again():
    sick, well = [worker("ill", unhealthy=True)], [worker("ill")]
    _, state = look(sick)
    _, state = look(well, state=state, now=NOW + 600)
    assert state.unhealthy == ()
    action, _ = look(sick, state=state, now=NOW + 900)
    assert action.stop == ()


def test_does_not_count_the_slots_of_an_unhealthy_worker():
    assert look([worker("hangs", unhealthy=True)], visible=4)[0].count == 1
    # But it counts, or each worker that hangs would cause another launch.
    config = replace(CONFIG, maximum=1)
    assert look([worker("hangs", unhealthy=True)], config, visible=4)[0].count == 0


def at(hour, minute=0, second=0):
    return datetime(2026, 3, 2, hour, minute, second, tzinfo=BERLIN).timestamp()


FLOORED = replace(CONFIG, floors=(OFFICE,))


def test_starts_a_floors_workers_one_launch_time_ahead():
    # No launch times are known yet: 85 seconds.
    early, _ = look([], FLOORED, now=at(7, 58))
    assert (early.count, early.look_at) == (0, at(8) - 85)
    action, _ = look([], FLOORED, now=at(8) - 85)
    assert action.count == 2
    assert all(launch.standing for launch in action.launches)


def test_next_check_is_at_the_end_of_the_floor_when_its_workers_run():
    action, _ = look([], FLOORED, now=at(20))
    assert action.count == 0
    assert action.look_at == at(8) + 24 * HOUR - 85


def test_never_starts_more_than_the_maximum_when_a_floor_is_higher():
    assert look([], replace(FLOORED, maximum=1), now=at(12))[0].count == 1


def standing(*names):
    return [worker(name, standing=True) for name in names]


@pytest.mark.parametrize(
    ("counts", "drained"),
    [
        ({}, ("a", "b")),
        # One worker's slots are in use, so one must stay.
        ({"in_flight": 1}, ("a",)),
        ({"in_flight": 4}, ("a",)),
        ({"in_flight": 5}, ()),
        ({"visible": 3, "in_flight": 3}, ()),
    ],
)
def test_names_a_floors_workers_to_drain_when_it_is_over_and_they_are_idle(counts, drained):
    assert look(standing("a", "b"), FLOORED, now=at(18), **counts)[0].drain == drained


def test_keeps_the_floors_workers_and_names_the_surplus_to_drain():
    assert look(standing("a", "b"), FLOORED, now=at(17, 59, 59))[0].drain == ()
    assert look(standing("a", "b", "c"), FLOORED, now=at(12))[0].drain == ("a",)


SPARED = replace(CONFIG, spare_slots=4)


def test_a_worker_for_spare_slots_is_started_as_standing():
    action, _ = look([worker("busy")], SPARED, in_flight=4)
    assert [(launch.count, launch.standing) for launch in action.launches] == [(1, True)]
    action, _ = look([worker("busy")], SPARED, in_flight=4, visible=4)
    assert [(launch.count, launch.standing) for launch in action.launches] == [(2, True)]
    action, _ = look([worker("busy")], CONFIG, in_flight=4, visible=4)
    assert [(launch.count, launch.standing) for launch in action.launches] == [(1, False)]


@pytest.mark.parametrize(
    ("counts", "drained"),
    [({"in_flight": 1}, ()), ({}, ("spare",))],
)
def test_names_the_spare_workers_to_drain_when_the_work_is_over(counts, drained):
    workers = [worker("busy"), *standing("spare")]
    action, _ = look(workers, SPARED, **counts)
    assert (action.drain, action.count) == (drained, 0)


def test_replaces_a_standing_worker_that_must_drain():
    workers = [worker("a", 13 * HOUR, standing=True), worker("b", standing=True)]
    action, _ = look(workers, FLOORED, now=NOW)
    assert action.drain == ("a",)
    assert action.count == 1
    assert action.launches[0].standing


def test_two_fleets_never_share_a_token_for_the_same_observation():
    tokens = {
        look([], replace(CONFIG, queue=queue), visible=1)[0].launches[0].token
        for queue in ("default", "heavy", "gpu")
    }
    assert len(tokens) == 3
