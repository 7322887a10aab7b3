"""What to start ahead, and the maximum cost of a wrong forecast."""

import pytest

from scale_workers.foresight import DueRun, Forecast, Outlook, outlook

NOW = 1000.0


def look(*runs, published_at=NOW, budget=10, now=NOW):
    return outlook(
        Forecast(published_at, runs),
        now,
        slowest=100,
        usual=70,
        quickest=40,
        concurrency=8,
        budget=budget,
    )


def test_needs_nothing_when_nothing_is_due():
    assert look() == Outlook()


def test_counts_all_runs_that_are_due_within_a_launch_time():
    seen = look(DueRun(NOW + 50, 10), DueRun(NOW + 100, 5), DueRun(NOW + 101, 99))
    assert seen.slots == 15
    assert seen.look_at == NOW + 1


def test_lets_workers_wait_until_a_little_after_the_last_run_is_due():
    assert look(DueRun(NOW + 50, 10), DueRun(NOW + 90, 5)).patience == 90 - 40 + 20
    assert look(DueRun(NOW + 10, 10)).patience == 20


def test_allows_for_the_usual_launch_when_many_start_together():
    # Twenty workers of eight slots.
    assert look(DueRun(NOW + 90, 159), budget=99).slots == 159
    assert look(DueRun(NOW + 90, 160), budget=99) == Outlook(look_at=NOW + 20)
    together = look(DueRun(NOW + 60, 100), DueRun(NOW + 90, 60), budget=99)
    assert (together.slots, together.look_at) == (100, NOW + 20)
    # A run an hour later is not at the same time.
    assert look(DueRun(NOW + 90, 159), DueRun(NOW + 3690, 159), budget=99).slots == 159


def test_does_not_count_a_run_that_is_already_due():
    assert look(DueRun(NOW, 10), DueRun(NOW - 5, 10)) == Outlook()


@pytest.mark.parametrize(("budget", "slots"), [(10, 80), (1, 8), (0, 0)])
def test_never_exceeds_the_budget(budget, slots):
    assert look(DueRun(NOW + 50, 10_000), budget=budget).slots == slots


@pytest.mark.parametrize(("age", "slots"), [(900, 10), (901, 0)])
def test_ignores_a_forecast_that_is_old(age, slots):
    assert look(DueRun(NOW + 50, 10), published_at=NOW - age).slots == slots
