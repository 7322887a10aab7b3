"""Changes that are refused because they destroy something or cannot be made."""

import pytest

from preflight.checks.changes import change_problems
from preflight.parameters import Parameters

PROPERTIES = {
    "Vpc": "10.0.0.0/16",
    "Database": "db.t4g.small/20/single-az",
    "WorkerQueueNames": "",
    "Options": "",
}


def problems(former, **changes):
    return list(
        change_problems(
            Parameters({**PROPERTIES, **former, **changes}), Parameters({**PROPERTIES, **former})
        )
    )


def test_another_vpc_is_refused():
    assert problems({}, Vpc="vpc-1") == [
        "Vpc changes from 10.0.0.0/16 to vpc-1, which would replace the database and every "
        "service: set Vpc to 10.0.0.0/16, or deploy a new stack and restore the database there."
    ]


def test_smaller_storage_is_refused_with_the_size_to_set():
    former = {"Database": "db.t4g.medium/50/multi-az"}
    assert problems(former, Database="db.t4g.small/20/single-az") == [
        "Database reduces the storage from 50 to 20 GiB, which RDS cannot do: set Database to "
        "db.t4g.small/50/single-az."
    ]


def test_larger_storage_and_another_class_are_accepted():
    assert problems({}, Database="db.m7g.large/100/multi-az") == []


@pytest.mark.parametrize(
    ("former", "now"),
    [
        ("", "a,b"), ("a", "a,b"), ("a,b", "a"), ("a,b", ",b"), ("a,b", "c,b"), ("a,,c", "a,b,c"),
        ("a,b", ""), ("a,b,", "a,b"), ("none", "a"), ("a:isolated", "a:isolated,b"),
        ("a", "a,b:isolated"), ("a:isolated,b", ",b"),
    ],
)  # fmt: skip
def test_queues_that_keep_their_places_are_accepted(former, now):
    assert problems({"WorkerQueueNames": former}, WorkerQueueNames=now) == []


@pytest.mark.parametrize(
    ("former", "now", "moves", "suggestion"),
    [
        ("a,b", "b", [("b", 2, 1)], ",b"),
        ("a,b,c", "a,c", [("c", 3, 2)], "a,,c"),
        ("a,b,c", "a,c,d", [("c", 3, 2)], "a,d,c"),
        ("a,b", "b,a", [("b", 2, 1), ("a", 1, 2)], "a,b"),
        ("a", "x,a", [("a", 1, 2)], "a,x"),
        ("a,b:isolated", "b:isolated", [("b", 2, 1)], ",b:isolated"),
    ],
)
def test_a_queue_that_moves_is_refused_with_the_value_to_set(former, now, moves, suggestion):
    assert problems({"WorkerQueueNames": former}, WorkerQueueNames=now) == [
        f"WorkerQueueNames moves {name!r} from place {before} to place {after}, which would delete "
        "a queue in use: keep its place and leave the place of a removed queue empty "
        f"({suggestion!r})."
        for name, before, after in moves
    ]


def test_former_properties_of_another_version_are_not_compared():
    parameters = Parameters({**PROPERTIES, "WorkerQueueNames": "a"})
    assert list(change_problems(parameters, Parameters({"VpcId": "vpc-1"}))) == []


@pytest.mark.parametrize(
    ("former", "now", "words"),
    [
        ("x,a", "x,a:isolated", "makes the shared queue 'a' isolated"),
        ("a:isolated", "a", "makes the isolated queue 'a' shared"),
    ],
)
def test_a_queue_in_use_does_not_change_its_role(former, now, words):
    """The role of running workers would lose it, and a worker whose poll is refused ends."""
    (problem,) = problems({"WorkerQueueNames": former}, WorkerQueueNames=now)
    assert words in problem
    assert problem.endswith("remove it in one deployment and add it in the next.")


@pytest.mark.parametrize(
    ("former", "now", "sentence"),
    [
        (
            "x86",
            "x86,customer-key",
            "Options adds customer-key, which would replace the database by an empty one: leave "
            "the word out, or deploy a new stack and restore the database there.",
        ),
        (
            "customer-key,protected",
            "protected",
            "Options removes customer-key, which would replace the database by an empty one: keep "
            "the word, or deploy a new stack and restore the database there.",
        ),
    ],
)
def test_another_key_of_the_database_is_refused_in_both_directions(former, now, sentence):
    assert problems({"Options": former}, Options=now) == [sentence]


def test_other_words_change_beside_a_customer_key():
    assert problems({"Options": "customer-key"}, Options="protected,customer-key") == []
