"""The broker: what is refused with Valkey, and without it."""

import pytest

from preflight.checks.all_checks import find_problems


@pytest.fixture
def problems(properties):
    return lambda **changes: find_problems({**properties, **changes})


@pytest.mark.parametrize("options", ["redis", "exec,redis,flower", "flower,redis"])
def test_valkey_is_accepted_with_and_without_flower(problems, options):
    assert problems(Options=options, WorkerQueueNames="heavy,,a") == []


def test_flower_is_refused_without_valkey(problems):
    assert problems(Options="exec,flower") == [
        "Options contains flower, but Flower gets its events through Valkey and cannot work with "
        "SQS: add redis to Options, or leave flower out."
    ]


def test_isolated_queues_are_refused_with_valkey(problems):
    assert problems(Options="redis", WorkerQueueNames="a:isolated,heavy,b:isolated") == [
        "WorkerQueueNames isolates a, b, but Options contains redis: all workers sign in to Valkey "
        "with one token and could read the messages of every queue. Leave redis out, or remove "
        ":isolated."
    ]
