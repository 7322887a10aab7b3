"""The fleets as the parameters describe them, and what is said of a description that is wrong."""

import json
from zoneinfo import ZoneInfo

import pytest

from shared.floors import Floor
from shared.worker_fleets import WorkerFleet, queue_names, queue_problems, read_worker_fleets

FLOOR = {
    "days": "mon-fri", "from": "08:00", "to": "18:00", "timezone": "Europe/Berlin", "workers": 2,
}  # fmt: skip


def problem(text, names="heavy"):
    _, problems = read_worker_fleets(names, text if isinstance(text, str) else json.dumps(text))
    assert len(problems) == 1, problems
    return problems[0]


def test_every_queue_has_a_fleet_when_none_is_described():
    assert read_worker_fleets("none", "{}") == ([WorkerFleet("default")], [])
    fleets, problems = read_worker_fleets("heavy,gpu_1", "{}")
    assert [fleet.queue for fleet in fleets] == ["default", "heavy", "gpu_1"]
    assert problems == []


def test_fleet_says_what_is_described_and_nothing_else_when_read():
    described = {
        "default": {"floors": [FLOOR]},
        "heavy": {"cpu": 4096, "memoryMib": 16384, "concurrency": 2, "minCount": 0, "maxCount": 5,
                  "spotShare": 0, "spareSlots": 0, "aheadMaxCount": 3},
    }  # fmt: skip
    (default, heavy), problems = read_worker_fleets("heavy", json.dumps(described))
    assert problems == []
    week = frozenset(range(5))
    berlin = ZoneInfo("Europe/Berlin")
    assert default == WorkerFleet("default", floors=(Floor(2, week, 480, 1080, berlin),))
    assert heavy == WorkerFleet("heavy", 4096, 16384, 2, 0, 5, 0, 0, 3)


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
def test_days_are_understood_when_they_are_ranges_and_lists(days, expected):
    (fleet,), problems = read_worker_fleets(
        "none", json.dumps({"default": {"floors": [{**FLOOR, "days": days}]}})
    )
    assert problems == []
    assert fleet.floors[0].days == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"heavy": {"cpu" 4096}}', "no JSON at line 1, column 18"),
        ('{\n  "heavy" {}\n}', "no JSON at line 2, column 11"),
        ("", "no JSON at line 1, column 1"),
        ('{"heavy": {}, "heavy": {}}', "says 'heavy' twice"),
        ("[]", "no JSON object"),
        ({"haevy": {}}, "'haevy', which is no queue (those are default, heavy): add it to"),
        ({"heavy": 3}, "heavy is no JSON object"),
        ({"heavy": {"memory": 3}}, "heavy says 'memory', which means nothing: choose among cpu, m"),
        ({"heavy": {"concurrency": 0}}, "heavy.concurrency is 0: choose a whole number from 1 to"),
        ({"heavy": {"maxCount": 0}}, "heavy.maxCount is 0: choose a whole number from 1 to 1000"),
        ({"heavy": {"cpu": "4096"}}, 'heavy.cpu is "4096": choose a whole number from 256'),
        ({"heavy": {"minCount": True}}, "heavy.minCount is true: choose"),
        (
            {"heavy": {"spotShare": 101}},
            "heavy.spotShare is 101: choose a whole number from 0 to 1",
        ),
        ({"heavy": {"spareSlots": 1.5}}, "heavy.spareSlots is 1.5: choose"),
        ({"heavy": {"floors": {}}}, "heavy.floors is no JSON list"),
        (
            {"heavy": {"floors": [FLOOR, {}]}},
            "floors[1] must say days, from, to, timezone, workers",
        ),
        ({"heavy": {"floors": [{**FLOOR, "x": 1}]}}, "floors[0] must say days"),
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
        ({"heavy": {"floors": [{**FLOOR, "timezone": "Europe/Bärlin"}]}}, "the IANA list does not"),
        ({"heavy": {"floors": [{**FLOOR, "timezone": "../etc/passwd"}]}}, "such as Europe/Berlin"),
        ({"heavy": {"floors": [{**FLOOR, "timezone": "Europe"}]}}, "such as Europe/Berlin"),
        ({"heavy": {"floors": [{**FLOOR, "timezone": 1}]}}, "has the time zone 1"),
        ({"heavy": {"floors": [{**FLOOR, "timezone": ""}]}}, 'has the time zone ""'),
    ],
)
def test_says_where_and_what_to_do_when_a_description_is_wrong(text, words):
    assert words in problem(text)


def test_all_is_told_at_once_when_several_things_are_wrong():
    described = {"heavy": {"cpu": 1, "floors": [{}, {**FLOOR, "workers": -1}]}, "none": {}}
    _, problems = read_worker_fleets("heavy", json.dumps(described))
    assert len(problems) == 4


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ("none,heavy", "leave none out"),
        ("heavy,default", "leave it out"),
        ("Heavy", "lower-case letters"),
        ("1gpu", "a letter first"),
        ("a" * 31, "at most 30"),
        ("big-one,big_one", "differ in nothing that CloudFormation sees"),
        ("gpu,gpu", "differ in nothing"),
    ],
)
def test_says_what_to_do_when_the_queues_names_are_wrong(names, words):
    assert any(words in each for each in queue_problems(names))


@pytest.mark.parametrize("names", ["none", "heavy", "heavy,gpu-1,x_y", "a" * 30])
def test_finds_nothing_when_the_queues_names_are_possible(names):
    assert list(queue_problems(names)) == []


def test_default_is_the_only_queue_when_there_are_none_besides():
    assert queue_names("none") == ("default",)
    assert queue_names("heavy, gpu") == ("default", "heavy", "gpu")
