"""How many workers are started, case by case and over time."""

import random
from dataclasses import replace

import pytest

from scale_workers.decision import decide
from scale_workers.fleet_state import FleetState, Launch
from scale_workers.foresight import DueRun, Forecast
from scale_workers.model import FleetConfig, Observation, Trigger, WorkerSeen

CONFIG = FleetConfig(minimum=0, maximum=10, concurrency=8)
NOW = 1_000_000.0
EMPTY = FleetState()


def workers(pending=0, fresh=0, running=0, on_spot=False):
    """Pending; running for ten seconds; running for an hour."""
    kinds = [("pending", pending, 0), ("fresh", fresh, 10), ("old", running, 3600)]
    return tuple(
        WorkerSeen(
            arn=f"{kind}-{number}",
            requested_at=NOW - age - 60,
            running_since=NOW - age if age else None,
            on_spot=on_spot,
        )
        for kind, count, age in kinds
        for number in range(count)
    )


def observe(trigger=Trigger.ALARM, now=NOW, pending=0, fresh=0, running=0, **values):
    counts = dict.fromkeys(("visible", "in_flight", "delayed"), 0) | values
    seen = counts.pop("workers", workers(pending, fresh, running))
    return Observation(trigger=trigger, now=now, workers=seen, **counts)


def launches(trigger=Trigger.ALARM, config=CONFIG, state=EMPTY, **values):
    return decide(observe(trigger, **values), state, config)[0].count


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
        # Workers that are starting will take some of the messages.
        ({"visible": 8, "pending": 1}, 0),
        ({"visible": 17, "pending": 2}, 1),
        ({"visible": 8, "fresh": 1}, 0),
        # What a settling worker has taken may still be counted as waiting.
        ({"visible": 8, "in_flight": 8, "fresh": 1}, 0),
        ({"visible": 9, "in_flight": 8, "fresh": 1}, 1),
        # Never more than the maximum.
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
def test_starts_nothing_for_messages_held_by_draining_or_dead_workers(counts):
    assert launches(Trigger.TICK, **counts) == 0


def test_does_not_count_draining_workers_when_messages_wait():
    assert launches(visible=9, in_flight=80, draining=10) == 2


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        # Slots look free, but no worker has taken the messages for a minute.
        ({"visible": 3, "running": 1}, 1),
        ({"visible": 9, "running": 4}, 2),
        # No more are started while workers are pending.
        ({"visible": 3, "running": 1, "pending": 1}, 0),
        ({"visible": 3, "running": 1, "fresh": 1}, 0),
        ({"visible": 10, "running": 1, "fresh": 1}, 1),
        ({"visible": 100, "running": 10}, 0),
        ({"visible": 0, "running": 3}, 0),
    ],
)
def test_distrusts_free_slots_when_messages_have_waited_beside_them(counts, expected):
    state = replace(EMPTY, idle_slots_since=NOW - 60)
    assert launches(Trigger.TICK, state=state, **counts) == expected


def test_stores_since_when_messages_wait_beside_free_slots():
    _, state = decide(observe(visible=1, running=1), EMPTY, CONFIG)
    assert state.idle_slots_since == NOW
    _, later = decide(observe(visible=1, running=1, now=NOW + 9), state, CONFIG)
    assert later.idle_slots_since == NOW
    _, taken = decide(observe(visible=0, running=1, now=NOW + 9), state, CONFIG)
    assert taken.idle_slots_since == 0


def test_starts_one_worker_when_woken_up_before_the_queue_counts_the_message():
    assert launches(Trigger.WAKE_UP) == 1
    assert launches(Trigger.WAKE_UP, running=1) == 0
    assert launches(Trigger.WAKE_UP, pending=1) == 0
    assert launches(Trigger.WAKE_UP, running=1, in_flight=8) == 1


def test_uses_the_reported_messages_when_no_worker_runs_and_the_counts_are_late():
    action, state = decide(observe(Trigger.WAKE_UP, published=20), EMPTY, CONFIG)
    assert action.count == 3
    action, state = decide(observe(Trigger.WAKE_UP, now=NOW + 2, published=20), state, CONFIG)
    assert action.count == 2
    # They are now counted, and not counted twice.
    action, state = decide(observe(Trigger.TICK, now=NOW + 9, visible=40), state, CONFIG)
    assert action.count == 0


def test_checks_every_few_seconds_when_a_burst_meets_running_workers():
    action, state = decide(observe(Trigger.WAKE_UP, running=1, published=30), EMPTY, CONFIG)
    assert action.look_at == NOW + 8
    # Another wake-up leaves that to the first call.
    other = observe(Trigger.WAKE_UP, now=NOW + 2, running=1, published=30)
    assert decide(other, state, CONFIG)[0].look_at == NOW + 62
    last = observe(Trigger.REQUEST, now=NOW + 26, running=1)
    assert decide(last, state, CONFIG)[0].look_at == NOW + 86


@pytest.mark.parametrize(
    ("counts", "expected"),
    [({}, 3), ({"running": 1, "pending": 1}, 1), ({"running": 3}, 0), ({"draining": 3}, 3)],
)
def test_keeps_the_minimum_when_nothing_is_queued(counts, expected):
    action, _ = decide(observe(**counts), EMPTY, FleetConfig(3, 10, 8))
    assert action.count == expected
    assert all(launch.standing for launch in action.launches)


def test_keeps_spare_slots_free_while_there_is_work():
    config = replace(CONFIG, spare_slots=8)
    assert launches(config=config, visible=8) == 2
    assert launches(config=config, running=2, in_flight=8) == 0
    assert launches(config=config, running=2, in_flight=9) == 1
    assert launches(config=config) == 0


def test_does_not_wait_for_a_launch_whose_workers_drain_after_a_deployment():
    launch = Launch("token", 1, NOW - 10, arns=("old",))
    state = FleetState(launches=(launch,))
    assert launches(Trigger.WAKE_UP, state=state, visible=1) == 0
    drains = {"draining": 1, "draining_arns": frozenset({"old"})}
    assert launches(Trigger.WAKE_UP, state=state, visible=1, **drains) == 1


def test_a_launch_has_its_own_token_when_the_worker_before_has_exited():
    first, state = decide(observe(visible=1), EMPTY, CONFIG)
    came = (WorkerSeen("a", NOW, NOW + 20),)
    state = state.with_result(first.launches[0], ("a",))
    _, state = decide(observe(now=NOW + 1, in_flight=1, workers=came), state, CONFIG)
    assert state.launches == ()
    second, _ = decide(observe(Trigger.WAKE_UP, now=NOW + 2, visible=1), state, CONFIG)
    assert second.launches[0].token != first.launches[0].token


def test_a_launch_has_another_token_an_hour_later_when_the_state_was_lost():
    """ECS answers a token of the same day with the workers of then, which have stopped."""
    first, _ = decide(observe(visible=1), EMPTY, CONFIG)
    second, _ = decide(observe(visible=1, now=NOW + 3600), EMPTY, CONFIG)

    assert second.launches[0].token != first.launches[0].token


@pytest.mark.parametrize(("age", "expected"), [(29, 1), (31, 0)])
def test_does_not_replace_a_worker_that_was_there_for_all_reported_messages(age, expected):
    state = FleetState(announced=((NOW - age, 1),))
    assert launches(Trigger.WORKER_LEFT, state=state) == expected
    assert launches(Trigger.DEPLOYMENT, state=state, draining=1) == expected
    assert launches(Trigger.TICK, state=state) == 1


def test_starts_no_more_than_fargate_allows_at_one_check():
    assert launches(config=FleetConfig(0, 1000, 1), visible=1000) == 100


def test_starts_nothing_when_paused():
    action, _ = decide(observe(visible=8), replace(EMPTY, paused=True), CONFIG)
    assert action.count == 0
    assert action.look_at == NOW + 60


def test_counts_launched_workers_when_ecs_does_not_list_them_yet():
    action, state = decide(observe(visible=16), EMPTY, CONFIG)
    assert action.count == 2
    state = state.with_result(action.launches[0], ("a", "b"))
    assert decide(observe(visible=16, now=NOW + 5), state, CONFIG)[0].count == 0
    listed = (WorkerSeen("a", NOW), WorkerSeen("b", NOW))
    _, state = decide(observe(visible=16, now=NOW + 5, workers=listed), state, CONFIG)
    assert state.launches == ()


def test_starts_others_when_launched_workers_never_appear():
    launch = Launch("token", 2, NOW - 61, arns=("a", "b"))
    assert launches(visible=16, state=FleetState(launches=(launch,))) == 2


def test_repeats_a_launch_with_its_token_when_the_scaler_was_killed_during_it():
    launch = Launch("token", 2, NOW - 30)
    action, _ = decide(observe(visible=16), FleetState(launches=(launch,)), CONFIG)
    assert action.launches == (replace(launch, at=NOW),)
    # Another call may still be working on it; or it was too long ago.
    for age, expected in ((5, 0), (121, 2)):
        state = FleetState(launches=(replace(launch, at=NOW - age),))
        assert launches(visible=16, state=state) == expected


def test_counts_a_repeated_launch_as_pending_when_ecs_lists_it_late():
    """It was once removed a minute after the first attempt, and its worker was started again."""
    launch = Launch("token", 1, NOW - 57)
    action, state = decide(observe(visible=8), FleetState(launches=(launch,)), CONFIG)
    state = state.with_result(action.launches[0], ("arn:1",))
    later, _ = decide(replace(observe(visible=8), now=NOW + 3.5), state, CONFIG)
    assert later.count == 0


def test_learns_the_launch_time_from_a_worker_that_runs():
    seen = (WorkerSeen("a", NOW - 90, NOW - 10), WorkerSeen("b", NOW - 90, NOW - 30))
    _, state = decide(observe(workers=seen), EMPTY, CONFIG)
    assert state.launch_seconds == (60, 80)
    _, state = decide(observe(workers=seen), state, CONFIG)
    assert state.launch_seconds == (60, 80)


def test_waits_for_the_next_check_when_a_worker_has_died():
    action, _ = decide(observe(Trigger.WORKER_DIED, visible=8), EMPTY, CONFIG)
    assert (action.count, action.look_at) == (0, NOW + 60)
    action, _ = decide(observe(Trigger.WORKER_DIED), EMPTY, FleetConfig(1, 1, 1))
    assert action.look_at == NOW + 60


def test_pauses_longer_and_longer_when_workers_die_one_after_another():
    state, pauses = EMPTY, []
    for death in range(1, 9):
        _, state = decide(observe(Trigger.WORKER_DIED, visible=8), state, CONFIG)
        held = [
            seconds
            for seconds in range(0, 2000, 10)
            if decide(observe(visible=8, now=NOW + seconds), state, CONFIG)[0].backing_off
        ]
        pauses.append(len(held) * 10)
        assert launches(visible=8, now=NOW + 2000, state=state) == 1, death
    assert pauses == [0, 0, 60, 120, 240, 480, 900, 900]


def test_resets_the_deaths_when_a_worker_has_survived_or_a_revision_is_deployed():
    state = FleetState(deaths=(NOW - 400,) * 5)
    proven = (WorkerSeen("a", NOW - 390, NOW - 300),)
    assert decide(observe(workers=proven), state, CONFIG)[1].deaths == ()
    assert decide(observe(Trigger.DEPLOYMENT), state, CONFIG)[1].deaths == ()
    assert len(decide(observe(fresh=1), state, CONFIG)[1].deaths) == 5


@pytest.mark.parametrize(
    ("share", "seen", "expected"),
    [(0, (), [(10, False)]), (50, (), [(5, True), (5, False)]), (100, (), [(10, True)]),
     (50, workers(running=4, on_spot=True), [(1, True), (5, False)])],
)  # fmt: skip
def test_keeps_the_share_of_spot_when_it_starts_workers(share, seen, expected):
    config = replace(CONFIG, spot_share=share)
    held = 8 * len(seen)
    action, _ = decide(observe(visible=80, in_flight=held, workers=seen), EMPTY, config)
    assert [(each.count, each.on_spot) for each in action.launches] == expected
    assert len({each.token for each in action.launches}) == len(expected)


def test_does_not_use_spot_when_it_was_refused_a_moment_ago():
    config = replace(CONFIG, spot_share=100)
    refused = FleetState(spot_refused_at=NOW - 60)
    assert not decide(observe(visible=8), refused, config)[0].launches[0].on_spot
    refused = FleetState(spot_refused_at=NOW - 601)
    assert decide(observe(visible=8), refused, config)[0].launches[0].on_spot


def test_starts_ahead_when_a_run_is_due_within_a_launch():
    config = replace(CONFIG, foresight_budget=4)
    forecast = Forecast(NOW, [DueRun(NOW + 60, 20), DueRun(NOW + 3600, 8)])
    action, _ = decide(observe(Trigger.TICK, forecast=forecast), EMPTY, config)
    assert action.count == 3
    assert action.launches[0].patience == 80
    # When the workers are pending: check again at the time for the other run.
    quiet = Forecast(NOW, [DueRun(NOW + 3600, 8)])
    action, _ = decide(observe(Trigger.TICK, forecast=quiet), EMPTY, config)
    assert (action.count, action.look_at) == (0, NOW + 3600 - 85 - 15)


@pytest.mark.parametrize(
    ("trigger", "waits"), [(Trigger.TICK, True), (Trigger.REQUEST, True), (Trigger.WAKE_UP, False)]
)
def test_waits_for_the_exact_start_except_at_wake_ups(trigger, waits):
    config = replace(CONFIG, foresight_budget=4)
    forecast = Forecast(NOW, [DueRun(NOW + 85 + 12, 20)])
    action, _ = decide(observe(trigger, forecast=forecast), EMPTY, config)
    assert action.look_at == (NOW + 12 if waits else NOW + 60)


@pytest.mark.parametrize(
    ("trigger", "counts", "expected"),
    [
        (Trigger.TICK, {}, False),
        (Trigger.WORKER_LEFT, {}, False),
        (Trigger.REQUEST, {}, False),
        # A zero just after a wake-up may only be late.
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
def test_checks_again_only_while_there_may_be_work(trigger, counts, expected):
    look_at = decide(observe(trigger, **counts), EMPTY, CONFIG)[0].look_at
    assert look_at == (NOW + 60 if expected else None)


@pytest.mark.parametrize(
    "limits", [(-1, 1, 1), (2, 1, 1), (0, 0, 0), (0, 1, 0), (0, 1, 1, -1), (0, 1, 1, 0, 101)]
)
def test_refuses_limits_that_contradict_each_other(limits):
    with pytest.raises(ValueError, match="The limits of the fleet contradict each other"):
        FleetConfig(*limits)


@pytest.mark.parametrize("seed", range(20))
def test_never_exceeds_the_maximum_for_any_observation(seed):
    chance = random.Random(seed)
    state, seen = EMPTY, []
    for look in range(300):
        now = NOW + 3 * look
        observation = observe(
            chance.choice(list(Trigger)),
            now=now,
            visible=chance.choice([0, 0, 5, 300]),
            in_flight=chance.choice([0, 8, 90]),
            published=chance.choice([0, 0, 50]),
            workers=tuple(each for each in seen if each.requested_at < now - 5),
        )
        action, state = decide(observation, state, replace(CONFIG, spot_share=30))
        for launch in action.launches:
            arns = tuple(f"{launch.token}-{number}" for number in range(launch.count))
            seen += [WorkerSeen(arn, now) for arn in arns]
            state = state.with_result(launch, arns)
        assert len(seen) <= CONFIG.maximum
        seen = [
            replace(each, running_since=each.running_since or now)
            for each in seen
            if chance.random() < 0.97 or each.requested_at > now - 30
        ]
