"""The list of queues, and where a queue is."""

import pytest

from contracts.queues import further_queues, queue_url

DEFAULT_URL = "https://sqs.us-east-1.amazonaws.com/111122223333/airflow-queue-default"


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", ()), ("heavy", ("heavy",)), ("a,,c", ("a", "c")), (" a , b ,", ("a", "b")), (",", ())],
)
def test_empty_places_are_skipped(text, expected):
    assert further_queues(text) == expected


def test_queue_is_beside_the_default_queue_under_a_derived_name():
    assert queue_url(DEFAULT_URL, "airflow", "default") == DEFAULT_URL
    assert queue_url(DEFAULT_URL, "airflow", "heavy") == DEFAULT_URL.replace("-default", "-heavy")
