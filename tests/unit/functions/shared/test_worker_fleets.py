"""The fleets as the parameters describe them, and the problems of a wrong description."""

import json
from zoneinfo import ZoneInfo

import pytest

from shared.floors import Floor
from shared.worker_fleets import (
    WorkerFleet,
    WorkerSize,
    queue_names,
    queue_problems,
    read_worker_fleets,
)

FLOOR = {
    "days": "mon-fri", "from": "08:00", "to": "18:00", "timezone": "Europe/Berlin", "workers": 2,
}  # fmt: skip


def problem(text, names="heavy"):
    _, problems = read_worker_fleets(names, text if isinstance(text, str) else json.dumps(text))
    assert len(problems) == 1, problems
    return problems[0]


def test_every_queue_has_a_fleet_when_none_is_described():
    assert read_worker_fleets("", "{}") == ([WorkerFleet("default")], [])
    fleets, problems = read_worker_fleets("heavy,,gpu_1", "{}")
    assert [fleet.queue for fleet in fleets] == ["default", "heavy", "gpu_1"]
    assert problems == []


def test_fleet_has_the_described_values_and_no_others():
    described = {
        "default": {"floors": [FLOOR]},
        "heavy": {"size": "4096/16384/2", "minCount": 1, "maxCount": 5, "spotShare": 50,
                  "spareSlots": 4, "aheadMaxCount": 3, "idleTimeoutSeconds": 600},
    }  # fmt: skip
    (default, heavy), problems = read_worker_fleets("heavy", json.dumps(described))
    assert problems == []
    week = frozenset(range(5))
    berlin = ZoneInfo("Europe/Berlin")
    assert default == WorkerFleet("default", floors=(Floor(2, week, 480, 1080, berlin),))
    assert heavy == WorkerFleet("heavy", WorkerSize(4096, 16384, 2), 1, 5, 50, 4, 3, 600)


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        ("mon-sun", {0, 1, 2, 3, 4, 5, 6}),
        ("mon,wed, fri", {0, 2, 4}),
        ("sat-mon", {5, 6, 0}),
        ("sun", {6}),
        ("mon-tue,sat-sun", {0, 1, 5, 6}),
    ],
)
def test_days_may_be_ranges_and_lists(days, expected):
    (fleet,), problems = read_worker_fleets(
        "", json.dumps({"default": {"floors": [{**FLOOR, "days": days}]}})
    )
    assert problems == []
    assert fleet.floors[0].days == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"heavy": {"size" 4096}}', "is not valid JSON (line 1, column 19: "),
        ('{\n  "heavy" {}\n}', "is not valid JSON (line 2, column 11: "),
        ("", "is not valid JSON (line 1, column 1: "),
        ('{"heavy": {}, "heavy": {}}', "contains 'heavy' twice"),
        ('{"heavy": {"maxCount": Infinity}}', "contains Infinity, which is not valid JSON"),
        ("[]", "is not a JSON object"),
        ({"haevy": {}}, "'haevy', which is not a queue (the queues are default, heavy): add it"),
        ({"heavy": 3}, "heavy is not a JSON object"),
        ({"heavy": {"memory": 3}}, "heavy contains the unknown key 'memory': choose among size, m"),
        ({"heavy": {"isolated": True}}, "write heavy:isolated in WorkerQueueNames"),
        ({"heavy": {"size": "4096"}}, 'heavy.size is "4096": write <CPU>/<MiB>/<slots> with 1 to'),
        ({"heavy": {"size": "4096/16384/0"}}, "with 1 to 128 slots"),
        ({"heavy": {"size": "4096/16384/129"}}, "with 1 to 128 slots"),
        ({"heavy": {"size": 4096}}, 'heavy.size is "4096": write'),
        ({"heavy": {"idleTimeoutSeconds": 19}}, "choose a whole number from 20 to 3600"),
        ({"heavy": {"idleTimeoutSeconds": 3601}}, "choose a whole number from 20 to 3600"),
        ({"heavy": {"maxCount": 0}}, "heavy.maxCount is 0: choose a whole number from 1 to 1000"),
        ({"heavy": {"maxCount": "9"}}, 'heavy.maxCount is "9": choose a whole number from 1'),
        ({"heavy": {"minCount": True}}, "heavy.minCount is true: choose"),
        (
            {"heavy": {"spotShare": 101}},
            "heavy.spotShare is 101: choose a whole number from 0 to 1",
        ),
        ({"heavy": {"spareSlots": 1.5}}, "heavy.spareSlots is 1.5: choose"),
        ({"heavy": {"floors": {}}}, "heavy.floors is not a JSON list"),
        (
            {"heavy": {"floors": [FLOOR, {}]}},
            "floors[1] must contain exactly days, from, to, timezone, workers",
        ),
        ({"heavy": {"floors": [{**FLOOR, "x": 1}]}}, "floors[0] must contain exactly days"),
        ({"heavy": {"floors": [{**FLOOR, "workers": 0}]}}, "has workers 0: choose"),
        (
            {"heavy": {"floors": [{**FLOOR, "from": "8:00"}]}},
            'has the time "8:00": choose one such',
        ),
        ({"heavy": {"floors": [{**FLOOR, "to": "24:30"}]}}, 'has the time "24:30"'),
        ({"heavy": {"floors": [{**FLOOR, "to": 18}]}}, "has the time 18"),
        (
            {"heavy": {"floors": [{**FLOOR, "to": "08:00"}]}},
            "is from 08:00 to 08:00: choose an end",
        ),
        ({"heavy": {"floors": [{**FLOOR, "from": "24:00"}]}}, "choose an end after the start"),
        ({"heavy": {"floors": [{**FLOOR, "days": "weekdays"}]}}, 'has the days "weekdays": choose'),
        ({"heavy": {"floors": [{**FLOOR, "days": "mon-wed-fri"}]}}, "choose days such as mon-fri"),
        ({"heavy": {"floors": [{**FLOOR, "days": []}]}}, "choose days such as mon-fri"),
        ({"heavy": {"floors": [{**FLOOR, "timezone": "Europe/Bärlin"}]}}, "not in the IANA list"),
        ({"heavy": {"floors": [{**FLOOR, "timezone": "../etc/passwd"}]}}, "such as Europe/Berlin"),
        ({"heavy": {"floors": [{**FLOOR, "timezone": "Europe"}]}}, "such as Europe/Berlin"),
        ({"heavy": {"floors": [{**FLOOR, "timezone": 1}]}}, "has the time zone 1"),
        ({"heavy": {"floors": [{**FLOOR, "timezone": ""}]}}, 'has the time zone ""'),
    ],
)
def test_reports_place_and_remedy_when_a_description_is_wrong(text, words):
    assert words in problem(text)


def test_all_problems_are_reported_at_once():
    described = {"heavy": {"maxCount": 0, "floors": [{}, {**FLOOR, "workers": -1}]}, "none": {}}
    _, problems = read_worker_fleets("heavy", json.dumps(described))
    assert len(problems) == 4


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ("heavy,default", "contains default, which always exists: remove it"),
        ("Heavy", "lower-case letters"),
        ("1gpu", "starting with a letter"),
        ("a" * 31, "at most 30"),
        ("gpu,,gpu", "contains 'gpu' more than once"),
        ("a,b,c,d,e,f,g,,h", "has 9 places: use at most 8, empty places included"),
        ("team-a:private", "contains 'team-a:private': write isolated behind the colon"),
        (":isolated", "contains ':isolated' without a name: put one before"),
        ("a,a:isolated", "contains 'a' more than once"),
        ("default:isolated", "contains default, which always exists"),
    ],
)
def test_reports_what_to_do_when_queue_names_are_wrong(names, words):
    assert any(words in each for each in queue_problems(names))


@pytest.mark.parametrize(
    "names",
    ["", "heavy", "heavy,gpu-1,x_y", "a" * 30, "a,,c", "big-one,big_one", "a,,team-a:isolated"],
)
def test_accepts_valid_queue_names(names):
    assert list(queue_problems(names)) == []


def test_default_queue_always_exists():
    assert queue_names("") == ("default",)
    assert queue_names("heavy, gpu") == ("default", "heavy", "gpu")
