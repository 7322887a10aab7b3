"""The list of queues, and where a queue is."""

import pytest

from contracts.queues import QueuePlace, further_queues, queue_places, queue_url, secrets_prefix

DEFAULT_URL = "https://sqs.us-east-1.amazonaws.com/111122223333/airflow-queue-default"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ()), ("heavy", ("heavy",)), ("a,,c", ("a", "c")), (" a , b ,", ("a", "b")), (",", ()),
        ("a:isolated,,c", ("a", "c")),
    ],
)  # fmt: skip
def test_empty_places_are_skipped(text, expected):
    assert further_queues(text) == expected


def test_queue_is_beside_the_default_queue_under_a_derived_name():
    assert queue_url(DEFAULT_URL, "airflow", "default") == DEFAULT_URL
    assert queue_url(DEFAULT_URL, "airflow", "heavy") == DEFAULT_URL.replace("-default", "-heavy")


def test_place_says_whether_its_queue_is_isolated():
    places = queue_places("heavy,,team-a:isolated,x:other")
    assert places == (
        QueuePlace("heavy"), QueuePlace(""), QueuePlace("team-a", "isolated"),
        QueuePlace("x", "other"),
    )  # fmt: skip
    assert [place.is_isolated for place in places] == [False, False, True, False]


@pytest.mark.parametrize("queue", ["connections", "variables", "config", "team-a"])
def test_secrets_of_a_queue_are_beside_the_shared_ones(queue):
    """A queue called "connections" must not have its secrets among the shared ones."""
    prefix = secrets_prefix("airflow", queue)
    assert prefix == f"airflow/queues/{queue}"
    assert not prefix.startswith(("airflow/connections", "airflow/variables", "airflow/config"))
