"""How many workers are started, case by case and over time."""

import random

import pytest

from scale_workers.decision import Action, FleetLimits, Observation, Trigger, decide

LIMITS = FleetLimits(minimum=0, maximum=10, concurrency=8)


def observe(trigger=Trigger.ALARM, **counts):
    names = ("visible", "in_flight", "delayed", "pending", "fresh", "running", "draining")
    return Observation(trigger=trigger, **(dict.fromkeys(names, 0) | counts))


def launches(trigger=Trigger.ALARM, limits=LIMITS, **counts):
    return decide(observe(trigger, **counts), limits).launch


@pytest.mark.parametrize(
    ("visible", "expected"), [(0, 0), (1, 1), (8, 1), (9, 2), (80, 10), (81, 10), (10_000, 10)]
)
def test_starts_as_many_as_the_messages_need_when_there_are_no_workers(visible, expected):
    assert launches(visible=visible) == expected


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        # Free slots take what waits; only the rest needs a worker.
        ({"visible": 8, "running": 1}, 0),
        ({"visible": 9, "running": 1}, 1),
        ({"visible": 3, "in_flight": 5, "running": 1}, 0),
        ({"visible": 4, "in_flight": 5, "running": 1}, 1),
        ({"visible": 8, "in_flight": 16, "running": 2}, 1),
        # Workers that are starting will take their share.
        ({"visible": 8, "pending": 1}, 0),
        ({"visible": 17, "pending": 2}, 1),
        ({"visible": 8, "fresh": 1}, 0),
        # A fresh worker that is full already is no reason to wait.
        ({"visible": 3, "in_flight": 8, "fresh": 1}, 1),
        # Never beyond the maximum.
        ({"visible": 100, "in_flight": 72, "running": 9}, 1),
        ({"visible": 100, "in_flight": 80, "running": 10}, 0),
        ({"visible": 100, "pending": 12}, 0),
    ],
)
def test_starts_what_is_missing_when_there_are_workers(counts, expected):
    assert launches(**counts) == expected


@pytest.mark.parametrize(
    "counts",
    [
        {"in_flight": 8},
        {"in_flight": 8, "draining": 1},
        {"in_flight": 24, "running": 1, "draining": 2},
    ],
)
def test_starts_nothing_when_the_messages_are_held_by_draining_or_dead_workers(counts):
    assert launches(Trigger.TICK, **counts) == 0


def test_starts_workers_beside_draining_ones_when_messages_wait():
    assert launches(visible=9, in_flight=80, draining=10) == 2


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        # Slots look free, but a minute has passed and nobody has taken the messages.
        ({"visible": 3, "running": 1}, 1),
        ({"visible": 9, "running": 4}, 2),
        # Those who are on their way are waited for.
        ({"visible": 3, "running": 1, "pending": 1}, 0),
        ({"visible": 3, "running": 1, "fresh": 1}, 0),
        ({"visible": 10, "running": 1, "fresh": 1}, 1),
        ({"visible": 100, "running": 10}, 0),
        ({"visible": 0, "running": 3}, 0),
    ],
)
def test_trusts_no_free_slot_when_messages_wait_at_a_tick(counts, expected):
    assert launches(Trigger.TICK, **counts) == expected


def test_starts_one_when_woken_up_before_the_queue_counts_the_message():
    assert launches(Trigger.WAKE_UP) == 1
    assert launches(Trigger.WAKE_UP, running=1) == 0
    assert launches(Trigger.WAKE_UP, pending=1) == 0
    assert launches(Trigger.WAKE_UP, running=1, in_flight=8) == 1


@pytest.mark.parametrize(
    ("counts", "expected"),
    [({}, 3), ({"running": 1, "pending": 1}, 1), ({"running": 3}, 0), ({"draining": 3}, 3)],
)
def test_keeps_the_minimum_when_nothing_is_queued(counts, expected):
    assert launches(limits=FleetLimits(3, 10, 8), **counts) == expected


def test_waits_for_the_next_look_when_a_worker_has_died():
    observation = observe(Trigger.WORKER_DIED, visible=8)
    assert decide(observation, LIMITS) == Action(launch=0, look_again=True)
    assert decide(observe(Trigger.WORKER_DIED), FleetLimits(1, 1, 1)).look_again


@pytest.mark.parametrize(
    ("trigger", "counts", "expected"),
    [
        (Trigger.TICK, {}, False),
        (Trigger.WORKER_LEFT, {}, False),
        (Trigger.REQUEST, {}, False),
        # A zero right after the news may only be late.
        (Trigger.WAKE_UP, {}, True),
        (Trigger.ALARM, {}, True),
        (Trigger.TICK, {"visible": 1}, True),
        (Trigger.TICK, {"in_flight": 1}, True),
        (Trigger.TICK, {"delayed": 1}, True),
        (Trigger.TICK, {"running": 1}, True),
        (Trigger.TICK, {"pending": 1}, True),
        (Trigger.TICK, {"fresh": 1}, True),
        (Trigger.TICK, {"draining": 1}, True),
    ],
)
def test_looks_again_only_when_something_may_be_going_on(trigger, counts, expected):
    assert decide(observe(trigger, **counts), LIMITS).look_again is expected


@pytest.mark.parametrize("limits", [(-1, 1, 1), (2, 1, 1), (0, 0, 0), (0, 1, 0)])
def test_refuses_limits_when_no_fleet_can_have_them(limits):
    with pytest.raises(ValueError, match="No fleet can have these limits"):
        FleetLimits(*limits)


@pytest.mark.parametrize("seed", range(20))
def test_every_message_is_served_and_all_leave_when_simulated(seed):
    """Seconds go by; workers start slowly, leave slowly, and some of them hang for ever."""
    chance = random.Random(seed)
    limits = FleetLimits(minimum=0, maximum=6, concurrency=4)
    waiting = 0
    busy: list[int] = []  # Remaining seconds of each message in flight.
    workers: list[dict[str, int | bool]] = []
    next_tick = None
    for second in range(1800):
        publishing = second < 600 and chance.random() < 0.05
        waiting += chance.randint(1, 6) if publishing else 0
        for worker in workers:
            worker["age"] += 1
        serving = sum(
            1 for each in workers if each["age"] >= 35 and not (each["leaving"] or each["hangs"])
        )
        busy = [left - 1 for left in busy if left > 1]
        while waiting and len(busy) < serving * limits.concurrency:
            waiting -= 1
            busy.append(chance.randint(1, 60))
        # Idle workers leave: for 15 seconds they show as running and take nothing. What hangs ends
        # by somebody's hand, long after.
        for worker in workers:
            idle = not busy and worker["age"] > 120 and chance.random() < 0.05
            worker["leaving"] = worker["leaving"] + 1 if worker["leaving"] or idle else 0
        left = [each for each in workers if each["leaving"] > 15 or each["age"] > 900]
        workers = [each for each in workers if each not in left]
        triggers = [Trigger.WAKE_UP] * publishing + [Trigger.WORKER_LEFT] * len(left)
        if next_tick == second:
            next_tick = None
            triggers.append(Trigger.TICK)
        for trigger in triggers:
            observation = observe(
                trigger,
                visible=waiting,
                in_flight=len(busy),
                pending=sum(1 for each in workers if each["age"] < 30),
                fresh=sum(1 for each in workers if 30 <= each["age"] < 75),
                running=sum(1 for each in workers if each["age"] >= 75),
            )
            action = decide(observation, limits)
            for _ in range(action.launch):
                hangs = sum(each["hangs"] for each in workers) < 2 and chance.random() < 0.2
                workers.append({"age": 0, "leaving": 0, "hangs": hangs})
            assert len(workers) <= limits.maximum
            next_tick = (next_tick or second + 60) if action.look_again else None
    assert waiting == 0
    assert busy == []
    assert workers == []
    assert next_tick is None
