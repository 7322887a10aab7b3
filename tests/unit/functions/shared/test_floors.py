"""Scheduled floors: how many workers at what time, and when that changes."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from shared.floors import Floor, floor_at

BERLIN = ZoneInfo("Europe/Berlin")
WORKDAYS = frozenset(range(5))
EVERY_DAY = frozenset(range(7))
OFFICE = Floor(2, WORKDAYS, 8 * 60, 18 * 60, BERLIN)


def at(text, zone=BERLIN):
    return datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()


@pytest.mark.parametrize(
    ("moment", "count", "change"),
    [
        # 2 March 2026 is a Monday.
        ("2026-03-02T07:59:59", 0, "2026-03-02T08:00:00"),
        ("2026-03-02T08:00:00", 2, "2026-03-02T18:00:00"),
        ("2026-03-02T17:59:59", 2, "2026-03-02T18:00:00"),
        ("2026-03-02T18:00:00", 0, "2026-03-03T08:00:00"),
        ("2026-03-06T18:00:00", 0, "2026-03-09T08:00:00"),
        ("2026-03-08T12:00:00", 0, "2026-03-09T08:00:00"),
    ],
)
def test_floor_applies_in_business_hours_on_workdays(moment, count, change):
    assert floor_at(at(moment), [OFFICE], 0) == (count, at(change))


@pytest.mark.parametrize(
    ("moment", "hours"),
    [
        # Clocks go forward on 29 March 2026 and back on 25 October 2026, both at night.
        ("2026-03-27T18:00:00", 24 * 2 + 14 - 1),
        ("2026-10-23T18:00:00", 24 * 2 + 14 + 1),
    ],
)
def test_floor_begins_at_eight_local_time_after_a_clock_change(moment, hours):
    now = at(moment)
    assert floor_at(now, [OFFICE], 0) == (0, now + hours * 3600)


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25)])
def test_whole_day_floor_has_23_or_25_hours_when_clocks_change(day, hours):
    floors = [Floor(3, frozenset({6}), 0, 24 * 60, BERLIN)]
    start = at(f"{day}T00:00:00")
    assert floor_at(start, floors, 0) == (3, start + hours * 3600)


def test_floor_begins_after_the_gap_when_the_clock_skips_its_start():
    floors = [Floor(1, EVERY_DAY, 2 * 60 + 30, 5 * 60, BERLIN)]
    count, change = floor_at(at("2026-03-29T01:00:00"), floors, 0)
    assert count == 0
    assert datetime.fromtimestamp(change, BERLIN).isoformat() == "2026-03-29T03:30:00+02:00"


def test_floor_applies_past_midnight_when_it_ends_before_it_starts():
    floors = [Floor(1, frozenset({4}), 22 * 60, 6 * 60, BERLIN)]
    assert floor_at(at("2026-03-06T23:00:00"), floors, 0) == (1, at("2026-03-07T06:00:00"))
    assert floor_at(at("2026-03-07T05:59:00"), floors, 0) == (1, at("2026-03-07T06:00:00"))
    # The night before belongs to Thursday.
    assert floor_at(at("2026-03-06T05:00:00"), floors, 0) == (0, at("2026-03-06T22:00:00"))


def test_highest_floor_applies_when_floors_overlap():
    floors = [OFFICE, Floor(5, WORKDAYS, 9 * 60, 10 * 60, BERLIN)]
    assert floor_at(at("2026-03-02T08:30:00"), floors, 0) == (2, at("2026-03-02T09:00:00"))
    assert floor_at(at("2026-03-02T09:30:00"), floors, 0) == (5, at("2026-03-02T10:00:00"))
    assert floor_at(at("2026-03-02T10:00:00"), floors, 0) == (2, at("2026-03-02T18:00:00"))


def test_minimum_applies_when_it_is_higher_than_every_floor():
    assert floor_at(at("2026-03-02T12:00:00"), [OFFICE], 2) == (2, None)
    assert floor_at(at("2026-03-02T12:00:00"), [], 1) == (1, None)


def test_nothing_changes_when_floors_meet_without_a_gap():
    floors = [Floor(2, EVERY_DAY, 0, 24 * 60, BERLIN)]
    assert floor_at(at("2026-03-29T12:00:00"), floors, 0) == (2, None)


def test_floors_in_several_time_zones_apply_in_their_own_time():
    tokyo, new_york = ZoneInfo("Asia/Tokyo"), ZoneInfo("America/New_York")
    floors = [
        Floor(1, WORKDAYS, 9 * 60, 17 * 60, tokyo),
        Floor(2, WORKDAYS, 9 * 60, 17 * 60, new_york),
    ]
    now = at("2026-03-02T16:59:00", tokyo)
    count, change = floor_at(now, floors, 0)
    assert (count, change) == (1, now + 60)
    assert floor_at(change, floors, 0) == (0, at("2026-03-02T09:00:00", new_york))


def test_changes_of_a_year_add_up_to_every_hour_of_it():
    floors = [OFFICE, Floor(1, frozenset({5, 6}), 22 * 60, 4 * 60, BERLIN)]
    now, end = at("2026-01-01T00:00:00"), at("2027-01-01T00:00:00")
    held = 0.0
    while now < end:
        count, change = floor_at(now, floors, 0)
        assert change is not None
        held += count * (min(change, end) - now)
        now = change
    day, expected = at("2026-01-01T00:00:00"), 0
    while day < end:
        local = datetime.fromtimestamp(day, BERLIN)
        weekday = local.weekday()
        expected += 2 * (weekday < 5 and 8 <= local.hour < 18)
        expected += (weekday in (5, 6) and local.hour >= 22) or (
            weekday in (6, 0) and local.hour < 4
        )
        day += 3600
    assert held / 3600 == expected
