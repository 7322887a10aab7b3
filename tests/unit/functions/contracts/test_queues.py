"""The list of queues, and where a queue is."""

import pytest

from contracts.queues import (
    QueuePlace,
    further_queues,
    lies_in_folder_of,
    queue_places,
    queue_url,
    secrets_prefix,
)

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


@pytest.mark.parametrize(
    "path", ["team-a/x.py", "team-a/deep/er/x.py", "./team-a/x.py", "team-a//x.py", "team-a/x.zip"]
)
def test_file_below_the_folder_of_the_queue_is_in_it(path):
    assert lies_in_folder_of("team-a", path)


@pytest.mark.parametrize(
    "path",
    [
        "team-b/x.py", "x.py", "common/team-a/x.py",
        # The folder itself: Airflow would load every file that it finds there.
        "team-a", "team-a/", "team-a/.", "", ".", "/", "..",
        # Out of the folder again, or back into it.
        "team-a/../x.py", "team-a/../team-b/x.py", "team-a/..", "team-b/../team-a/x.py",
        "../dags/team-a/x.py", "team-a/deep/../../x.py",
        "/team-a/x.py", "//team-a/x.py", "/opt/airflow/dags/team-a/x.py",
        # Names that only begin alike.
        "team-a.zip", "team-a.zip/x.py", "team-a.py", "team-ab/x.py", "team-a /x.py",
        " team-a/x.py", "Team-A/x.py", "TEAM-A/x.py", "team\u2010a/x.py", "team-a\\x.py",
        "team_a/x.py", "team-a\x00/x.py", "~team-a/x.py", "%74eam-a/x.py", "*/x.py",
    ],
)  # fmt: skip
def test_other_path_is_not_in_the_folder_of_the_queue(path):
    assert not lies_in_folder_of("team-a", path)
